"""Workloads that keep pods running: the rules of apps/v1, replication controllers and pod templates.

The selector says which pods are the workload's own: it must match the template's labels, and it never changes.
"""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validate_labels, validator
from apiserver.kinds.validation.pod_spec import lasting_template, pod_template
from apiserver.kinds.validation.selecting import label_selector, parse_selector
from apiserver.kinds.validation.values import Object, at_most_all, choice, not_negative, share, share_number, unchanged
from apiserver.meta import EVERYTHING, NOTHING, forbidden, invalid, label_selector_of, not_supported, required

RECREATE, ROLLING_UPDATE, ON_DELETE = "Recreate", "RollingUpdate", "OnDelete"

_NO_MATCH = "`selector` does not match template `labels`"


def _labels(template: Object) -> Object:
    return (template.get("metadata") or {}).get("labels") or {}


def _selector(spec: Object, empty_text: str) -> tuple[bool, list[Cause]]:
    """(whether the selector matches the template, what is wrong with the selector itself)"""
    given = spec.get("selector")
    selector = NOTHING
    if given is None:
        causes = [required("spec.selector")]
    else:
        selector, causes = parse_selector(given, "spec.selector")
        if not causes and selector.is_everything:
            causes.append(invalid("spec.selector", given, empty_text))
    return selector.matches(_labels(spec.get("template") or {})), causes


def _selected_template(spec: Object, kind: str, empty_text: str) -> list[Cause]:
    template = spec.get("template") or {}
    matches, causes = _selector(spec, empty_text)
    if not matches:
        causes.append(invalid("spec.template.metadata.labels", _labels(template) or None, _NO_MATCH))
    return causes + lasting_template(template, "spec.template", kind, is_whole=kind != "StatefulSet")


# Deployments and replica sets ---------------------------------------------------------------------------------------


def _deployment(deployment: Object) -> list[Cause]:
    spec = deployment.get("spec") or {}
    causes = not_negative("spec.replicas", spec.get("replicas"))
    causes += _selected_template(spec, "ReplicaSet", "empty selector is invalid for deployment")
    causes += _strategy(spec.get("strategy") or {})
    causes += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        causes += not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= spec.get("minReadySeconds", 0):
            causes.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return causes


def _strategy(strategy: Object) -> list[Cause]:
    kind, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    if kind == RECREATE:
        if rolling is None:
            return []
        return [forbidden(path, "may not be specified when strategy `type` is 'Recreate'")]
    if kind != ROLLING_UPDATE:
        return [not_supported("spec.strategy.type", kind, (RECREATE, ROLLING_UPDATE))]
    if rolling is None:
        return [required(path, "this should be defaulted and never be nil")]
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    causes = share(f"{path}.maxUnavailable", unavailable) + share(f"{path}.maxSurge", surge)
    if share_number(unavailable) == 0 and share_number(surge) == 0:
        causes.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return causes + at_most_all(f"{path}.maxUnavailable", unavailable)


def _replica_set(replica_set: Object) -> list[Cause]:
    spec = replica_set.get("spec") or {}
    causes = not_negative("spec.replicas", spec.get("replicas"))
    causes += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    return causes + _selected_template(spec, "ReplicaSet", "empty selector is invalid for deployment")


def _selector_kept(obj: Object, old: Object) -> list[Cause]:
    return unchanged("spec.selector", obj["spec"].get("selector"), (old.get("spec") or {}).get("selector"))


# Stateful sets ------------------------------------------------------------------------------------------------------

_STATEFUL_CHANGEABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)  # fmt: skip
_STATEFUL_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def _stateful_set(stateful_set: Object) -> list[Cause]:
    spec = stateful_set.get("spec") or {}
    policy = spec.get("podManagementPolicy", "")
    causes: list[Cause] = []
    if not policy:
        causes.append(required("spec.podManagementPolicy"))
    elif policy not in ("OrderedReady", "Parallel"):
        causes.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    causes += _stateful_strategy(spec.get("updateStrategy") or {})
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    for field in ("whenDeleted", "whenScaled"):
        if retention is not None and retention.get(field) not in ("Delete", "Retain"):
            where = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
            causes.append(not_supported(where, retention.get(field, ""), ("Retain", "Delete")))
    causes += not_negative("spec.replicas", spec.get("replicas"))
    causes += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    causes += _selected_template(spec, "StatefulSet", "empty selector is invalid for statefulset")
    return causes


def _stateful_strategy(strategy: Object) -> list[Cause]:
    kind, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.updateStrategy"
    if not kind:
        return [required(path)]
    if kind == ON_DELETE:
        why = "only allowed for updateStrategy 'RollingUpdate'"
        return [] if rolling is None else [invalid(f"{path}.rollingUpdate", rolling, why)]
    if kind != ROLLING_UPDATE:
        return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
    rolling = rolling or {}
    causes = not_negative(f"{path}.rollingUpdate.partition", rolling.get("partition"))
    unavailable = rolling.get("maxUnavailable")
    if unavailable is not None:
        where = f"{path}.rollingUpdate.maxUnavailable"
        causes += share(where, unavailable)
        if share_number(unavailable) == 0:
            causes.append(invalid(where, unavailable, "cannot be 0"))
        causes += at_most_all(where, unavailable)
    return causes


def _stateful_change(stateful_set: Object, old: Object) -> list[Cause]:
    def kept(spec: Object) -> Object:
        return {key: value for key, value in spec.items() if key not in _STATEFUL_CHANGEABLE}

    return [] if kept(stateful_set["spec"]) == kept(old["spec"]) else [forbidden("spec", _STATEFUL_TEXT)]


# Daemon sets --------------------------------------------------------------------------------------------------------


def _daemon_set(daemon_set: Object) -> list[Cause]:
    spec = daemon_set.get("spec") or {}
    template, given = spec.get("template") or {}, spec.get("selector")
    selector, causes = parse_selector(given, "spec.selector") if given is not None else (NOTHING, [])
    if not causes and not selector.matches(_labels(template)):
        causes.append(invalid("spec.template.metadata.labels", _labels(template) or None, _NO_MATCH))
    if selector == EVERYTHING:
        causes.append(invalid("spec.selector", given, "empty selector is invalid for daemonset"))
    causes += lasting_template(template, "spec.template", "DaemonSet")
    causes += not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += _daemon_strategy(spec.get("updateStrategy") or {})
    return causes + not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def _daemon_strategy(strategy: Object) -> list[Cause]:
    kind, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    if kind == ON_DELETE:
        return []
    if kind != ROLLING_UPDATE:
        return [not_supported("spec.updateStrategy.type", kind, (ROLLING_UPDATE, ON_DELETE))]
    if rolling is None:
        return [required(path)]
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    causes: list[Cause] = []
    for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        causes += share(f"{path}.{field}", value) + at_most_all(f"{path}.{field}", value)
    if share_number(unavailable) and share_number(surge):
        causes.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not causes and not share_number(unavailable) and not share_number(surge):
        causes.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return causes


# The rest -----------------------------------------------------------------------------------------------------------


def _revision(revision: Object) -> list[Cause]:
    causes: list[Cause] = []
    if revision.get("data") is None:
        causes.append(required("data", "data is mandatory"))
    return causes + not_negative("revision", revision.get("revision"))


def _replication_controller(controller: Object) -> list[Cause]:
    spec = controller.get("spec") or {}
    selector, template = spec.get("selector") or {}, spec.get("template")
    causes = not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    causes += validate_labels(selector, "spec.selector") if selector else [required("spec.selector")]
    causes += not_negative("spec.replicas", spec.get("replicas"))
    if template is None:
        return [*causes, required("spec.template")]
    if selector and not label_selector_of({"matchLabels": selector}).matches(_labels(template)):
        causes.append(invalid("spec.template.metadata.labels", _labels(template) or None, _NO_MATCH))
    return causes + lasting_template(template, "spec.template", "ReplicationController")


def _disruption_budget(budget: Object) -> list[Cause]:
    spec = budget.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    causes: list[Cause] = []
    if least is not None and most is not None:
        causes.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field, value in (("minAvailable", least), ("maxUnavailable", most)):
        causes += share(f"spec.{field}", value) + at_most_all(f"spec.{field}", value)
    causes += label_selector(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None:
        causes += choice("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))
    return causes


_selector_is_kept = update_validator(_selector_kept)

RULES = {
    "apps/v1 deployments": (validator(_deployment), _selector_is_kept),
    "apps/v1 replicasets": (validator(_replica_set), _selector_is_kept),
    "apps/v1 daemonsets": (validator(_daemon_set), _selector_is_kept),
    "apps/v1 statefulsets": (validator(_stateful_set), update_validator(_stateful_change)),
    "apps/v1 controllerrevisions": (
        validator(_revision),
        update_validator(lambda revision, old: unchanged("data", revision.get("data"), old.get("data"))),
    ),
    "v1 replicationcontrollers": (validator(_replication_controller), update_validator()),
    "v1 podtemplates": (validator(lambda obj: pod_template(obj.get("template") or {}, "template")), update_validator()),
    "policy/v1 poddisruptionbudgets": (validator(_disruption_budget), update_validator()),
}
