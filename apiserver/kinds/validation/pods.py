"""Pods: what may be created, and what may change afterwards, by which door.

A pod's spec is written once. Users may afterwards change images, shorten its life, add tolerations and take away gates; what
more may change through other doors is in kinds/pod_subresources.py.
"""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.pod_spec import only_of_pods, pod_spec
from apiserver.kinds.validation.values import MAX_INT32, Object
from apiserver.meta import deep_copy, forbidden, invalid, required, shown

_CHANGEABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_LISTS = ("containers", "initContainers")


def _rules(pod: Object) -> list[Cause]:
    spec = pod.get("spec") or {}
    causes = pod_spec(spec, "spec")
    causes += only_of_pods(spec, "spec")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        causes.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    if spec.get("ephemeralContainers") and "resourceVersion" not in pod["metadata"]:
        causes.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    return causes


validate_pod = validator(_rules)


def _rules_of_change(pod: Object, old: Object) -> list[Cause]:
    new_spec, old_spec = pod.get("spec") or {}, old.get("spec") or {}
    if new_spec == old_spec:
        return []
    causes: list[Cause] = []
    for field in _LISTS:
        problems, stop = _images(new_spec.get(field) or [], old_spec.get(field) or [], f"spec.{field}")
        causes += problems
        if stop:
            return causes
    problems = _deadline(new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds"))
    if problems:
        return causes + problems
    causes += _tolerations(new_spec.get("tolerations") or [], old_spec.get("tolerations") or [])
    old_gates = [gate.get("name") for gate in old_spec.get("schedulingGates") or ()]
    for index, gate in enumerate(new_spec.get("schedulingGates") or ()):
        if gate.get("name") not in old_gates:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            causes.append(forbidden(f"spec.schedulingGates[{index}].name", why))
    allowed = _with_changeable_fields(new_spec, old_spec)
    if old_gates:
        causes += _gated(allowed, old_spec)
    if allowed != old_spec:
        why = f"pod updates may not change fields other than {_CHANGEABLE}\n{difference(allowed, old_spec)}"
        causes.append(forbidden("spec", why))
    return causes


validate_pod_update = update_validator(_rules_of_change)


def _images(new: list[Object], old: list[Object], path: str) -> tuple[list[Cause], bool]:
    """(what is wrong, whether there is no use in looking further)"""
    if len(new) != len(old):
        return [forbidden(path, "pod updates may not add or remove containers")], True
    return [
        required(f"{path}[{index}].image")
        for index, container in enumerate(new)
        if not container.get("image", "").strip()
    ], False


def _deadline(new: int | None, old: int | None) -> list[Cause]:
    """A deadline may be set, and brought nearer."""
    path = "spec.activeDeadlineSeconds"
    if new is None:
        return [] if old is None else [invalid(path, None, "must not update from a positive integer to nil value")]
    if not 0 <= new <= MAX_INT32:
        return [invalid(path, new, f"must be between 0 and {MAX_INT32}, inclusive")]
    return [] if old is None or new <= old else [invalid(path, new, "must be less than or equal to previous value")]


def _tolerations(new: list[Object], old: list[Object]) -> list[Cause]:
    def essence(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [essence(other) for other in new]
    if all(essence(toleration) in kept for toleration in old):
        return []
    return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _with_changeable_fields(new: Object, old: Object) -> Object:
    """The new spec with every field that an update may change as it was: equal to the old one if all is well."""
    munged: Object = deep_copy(new)
    for name in _LISTS:
        for container, before in zip(munged.get(name) or (), old.get(name) or (), strict=True):
            if "image" in before:
                container["image"] = before["image"]
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _restore(munged, old, field)
    if old.get("terminationGracePeriodSeconds", 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        _restore(munged, old, "terminationGracePeriodSeconds")
    return munged


def _restore(spec: Object, old: Object, field: str) -> None:
    spec.pop(field, None)
    if field in old:
        spec[field] = old[field]


_NODE_TERMS = "requiredDuringSchedulingIgnoredDuringExecution"


def _gated(munged: Object, old: Object) -> list[Cause]:
    """A pod that no scheduler has looked at yet may be bound to fewer nodes. What is allowed is restored in `munged`."""
    causes: list[Cause] = []
    selector, before = munged.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if selector != before:
        if any(selector.get(key) != value for key, value in before.items()):
            why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            causes.append(invalid("spec.nodeSelector", selector, why))
        _restore(munged, old, "nodeSelector")
    nodes = (munged.get("affinity") or {}).get("nodeAffinity")
    nodes_before = (old.get("affinity") or {}).get("nodeAffinity")
    if nodes != nodes_before:
        causes += _narrowed(nodes or {}, nodes_before or {}, "spec.affinity.nodeAffinity")
        others = {key: value for key, value in (munged.get("affinity") or {}).items() if key != "nodeAffinity"}
        if others == {key: value for key, value in (old.get("affinity") or {}).items() if key != "nodeAffinity"}:
            _restore(munged, old, "affinity")
    return causes


def _narrowed(new: Object, old: Object, path: str) -> list[Cause]:
    terms = (new.get(_NODE_TERMS) or {}).get("nodeSelectorTerms") or []
    before = (old.get(_NODE_TERMS) or {}).get("nodeSelectorTerms") or []
    if not before:
        return []
    where = f"{path}.{_NODE_TERMS}"
    if len(terms) != len(before):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [invalid(f"{where}.nodeSelectorTerms", terms, why)]
    causes: list[Cause] = []
    for index, (term, was) in enumerate(zip(terms, before, strict=True)):
        for field in ("matchExpressions", "matchFields"):
            had, has = was.get(field) or [], term.get(field) or []
            if has[: len(had)] != had or (has and not (was.get("matchExpressions") or was.get("matchFields"))):
                why = "only additions are allowed (no mutations or deletions)"
                causes.append(invalid(f"{where}[{index}]", term, why))
                break
    return causes


def difference(new: Object, old: Object) -> str:
    lines = []
    for field in sorted({*new, *old}):
        before, after = old.get(field), new.get(field)
        if before != after:
            lines += [f' "{field}":', f"-  {shown(before)}", f"+  {shown(after)}"]
    return "\n".join(lines) + "\n"


RULES = {"v1 pods": (validate_pod, validate_pod_update)}
