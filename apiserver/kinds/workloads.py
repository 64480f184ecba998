"""Deployments, replica sets and controller revisions: what `apps/v1` adds to a pod template.

The selector says which pods are the workload's own: it must match the template's labels, and it never changes.

Source: Kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation, pkg/registry/apps.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import Cause, StatusError
from apiserver.kinds.metadata import update_validator, validate_labels, validator
from apiserver.kinds.pod_defaults import default_pod_template
from apiserver.kinds.pod_validation import NOT_NEGATIVE, validate_pod_spec
from apiserver.kinds.strategy import keep_status, replace_status, spec_changed
from apiserver.kinds.volume_defaults import default_claim, set_missing
from apiserver.meta import (
    NOTHING,
    LabelSelector,
    at,
    check_label_value,
    check_qualified_name,
    child,
    forbidden,
    immutable,
    invalid,
    label_selector_of,
    not_supported,
    required,
)

Object = dict[str, Any]

RECREATE = "Recreate"
ROLLING_UPDATE = "RollingUpdate"

_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def default_deployment(deployment: Object) -> None:
    spec = deployment.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_template(spec.setdefault("template", {}))
    strategy = spec.setdefault("strategy", {})
    set_missing(strategy, "type", ROLLING_UPDATE)
    if strategy["type"] == ROLLING_UPDATE:
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def default_replica_set(replica_set: Object) -> None:
    spec = replica_set.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_template(spec.setdefault("template", {}))


def default_stateful_set(stateful_set: Object) -> None:
    spec = stateful_set.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_pod_template(spec.setdefault("template", {}))
    set_missing(spec, "podManagementPolicy", "OrderedReady")
    update = spec.setdefault("updateStrategy", {})
    if not update.get("type"):
        update["type"] = ROLLING_UPDATE
        update.setdefault("rollingUpdate", {})
    if update["type"] == ROLLING_UPDATE and "rollingUpdate" in update:
        update["rollingUpdate"].setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    set_missing(retention, "whenDeleted", "Retain")
    set_missing(retention, "whenScaled", "Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
        default_claim(claim)


def default_daemon_set(daemon_set: Object) -> None:
    spec = daemon_set.setdefault("spec", {})
    default_pod_template(spec.setdefault("template", {}))
    update = spec.setdefault("updateStrategy", {})
    set_missing(update, "type", ROLLING_UPDATE)
    if update["type"] == ROLLING_UPDATE:
        rolling = update.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def default_replication_controller(controller: Object) -> None:
    """Its selector and its own labels follow from the template's labels."""
    spec = controller.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.get("template")
    if template is None:
        return
    default_pod_template(template)
    labels = template["metadata"].get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not controller["metadata"].get("labels"):
            controller["metadata"]["labels"] = dict(labels)


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""How often the template changed: a field of old, kept as an annotation for those who read it still."""


def prepare_daemon_set(daemon_set: Object) -> None:
    daemon_set["status"] = {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    }
    daemon_set["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"


def prepare_daemon_set_update(daemon_set: Object, old: Object) -> None:
    keep_status(daemon_set, old)
    before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0")
    count = int(before) if before.isdecimal() else 0
    if daemon_set["spec"].get("template") != old["spec"].get("template"):
        count += 1
    if count:
        daemon_set["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(count)


def prepare_stateful_set(stateful_set: Object) -> None:
    stateful_set["status"] = {"replicas": 0, "availableReplicas": 0}


def prepare_deployment(deployment: Object) -> None:
    deployment["status"] = {}


def prepare_replica_set(replica_set: Object) -> None:
    replica_set["status"] = {"replicas": 0}


def prepare_deployment_status(deployment: Object, old: Object) -> None:
    """A status write of a deployment may bring annotations, but no labels."""
    replace_status(deployment, old)
    deployment["metadata"].pop("labels", None)
    if "labels" in old["metadata"]:
        deployment["metadata"]["labels"] = old["metadata"]["labels"]


def deployment_generation_changed(deployment: Object, old: Object) -> bool:
    """Annotations count: the rollout's change cause stands there."""
    return spec_changed(deployment, old) or deployment["metadata"].get("annotations") != old["metadata"].get(
        "annotations"
    )


# Rules --------------------------------------------------------------------------------------------------------------


def validate_selector(selector: Object, path: str) -> tuple[LabelSelector, list[Cause]]:
    """The parsed selector (nothing, if it is wrong) and what is wrong with it."""
    causes = validate_labels(selector.get("matchLabels") or {}, child(path, "matchLabels"))
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        where = at(child(path, "matchExpressions"), index)
        key, operator, values = expression.get("key", ""), expression.get("operator", ""), expression.get("values")
        if operator not in _SELECTOR_OPERATORS:
            causes.append(invalid(child(where, "operator"), operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            why = "must be specified when `operator` is 'In' or 'NotIn'"
            causes.append(required(child(where, "values"), why))
        elif operator in ("Exists", "DoesNotExist") and values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(forbidden(child(where, "values"), why))
        causes += [invalid(child(where, "key"), key, why) for why in check_qualified_name(key)]
        for place, value in enumerate(values or ()):
            problems = check_label_value(value)
            causes += [invalid(at(child(where, "values"), place), value, why) for why in problems]
    try:
        return (label_selector_of(selector) if not causes else NOTHING), causes
    except StatusError as error:
        return NOTHING, [invalid(path, selector, error.message)]


def _validate_workload(spec: Object, empty_text: str) -> list[Cause]:
    """Replicas, selector and template: what deployments and replica sets share."""
    causes: list[Cause] = []
    for field in ("replicas", "minReadySeconds"):
        if spec.get(field, 0) < 0:
            causes.append(invalid(child("spec", field), spec[field], NOT_NEGATIVE))
    given = spec.get("selector")
    selector = NOTHING
    if given is None:
        causes.append(required("spec.selector"))
    else:
        selector, problems = validate_selector(given, "spec.selector")
        causes += problems
        if not problems and selector.is_everything:
            causes.append(invalid("spec.selector", given, empty_text))
    template = spec.get("template") or {}
    metadata = template.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if not selector.matches(labels):
        why = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", labels, why))
    causes += validate_labels(labels, "spec.template.labels")
    return causes + validate_pod_spec(template.get("spec") or {}, "spec.template.spec", ("Always",))


def _validate_deployment(deployment: Object) -> list[Cause]:
    spec = deployment.get("spec") or {}
    causes = _validate_workload(spec, "empty selector is invalid for deployment")
    causes += _validate_strategy(spec.get("strategy") or {})
    if spec.get("revisionHistoryLimit", 0) < 0:
        causes.append(invalid("spec.revisionHistoryLimit", spec["revisionHistoryLimit"], NOT_NEGATIVE))
    deadline = spec.get("progressDeadlineSeconds", 600)
    if deadline < 0:
        causes.append(invalid("spec.progressDeadlineSeconds", deadline, NOT_NEGATIVE))
    if deadline <= spec.get("minReadySeconds", 0):
        causes.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return causes


def _validate_strategy(strategy: Object) -> list[Cause]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == RECREATE:
        if rolling is None:
            return []
        why = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden("spec.strategy.rollingUpdate", why)]
    if kind != ROLLING_UPDATE:
        return [not_supported("spec.strategy.type", kind, (RECREATE, ROLLING_UPDATE))]
    path = "spec.strategy.rollingUpdate"
    rolling = rolling or {}
    causes: list[Cause] = []
    for field in ("maxUnavailable", "maxSurge"):
        causes += _validate_share(rolling.get(field, 0), child(path, field))
    unavailable = rolling.get("maxUnavailable", 0)
    if not causes and _number(unavailable) == 0 and _number(rolling.get("maxSurge", 0)) == 0:
        causes.append(invalid(child(path, "maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0"))
    if isinstance(unavailable, str) and not causes and _number(unavailable) > 100:
        causes.append(invalid(child(path, "maxUnavailable"), unavailable, "must not be greater than 100%"))
    return causes


def _number(share: int | str) -> int:
    return int(share.rstrip("%")) if isinstance(share, str) else share


def _validate_share(share: int | str, path: str) -> list[Cause]:
    """A count, or a percentage such as "25%"."""
    if isinstance(share, str):
        if share.endswith("%") and share[:-1].isascii() and share[:-1].isdigit():
            return []
        why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"  # noqa: E501
        return [invalid(path, share, why)]
    return [] if share >= 0 else [invalid(path, share, NOT_NEGATIVE)]


def _validate_replica_set(replica_set: Object) -> list[Cause]:
    return _validate_workload(replica_set.get("spec") or {}, "empty selector is invalid for deployment")


def _validate_selector_kept(obj: Object, old: Object) -> list[Cause]:
    selector, before = obj["spec"].get("selector"), (old.get("spec") or {}).get("selector")
    return [] if selector == before else [immutable("spec.selector", selector)]


validate_deployment = validator(_validate_deployment)
validate_replica_set = validator(_validate_replica_set)
validate_update = update_validator(_validate_selector_kept)


# Controller revisions -----------------------------------------------------------------------------------------------


def _validate_revision(revision: Object) -> list[Cause]:
    causes: list[Cause] = []
    if revision.get("data") is None:
        causes.append(required("data", "data is mandatory"))
    if revision.get("revision", 0) < 0:
        causes.append(invalid("revision", revision["revision"], NOT_NEGATIVE))
    return causes


def _validate_revision_update(revision: Object, old: Object) -> list[Cause]:
    return [] if revision.get("data") == old.get("data") else [immutable("data", revision.get("data"))]


def prepare_revision(revision: Object) -> None:
    revision.setdefault("revision", 0)


validate_revision = validator(_validate_revision)
validate_revision_update = update_validator(_validate_revision_update)
