"""Priority: spec.priorityClassName becomes spec.priority and spec.preemptionPolicy; at most one class is the default."""

from __future__ import annotations

from typing import Any

from apiserver.admission.attributes import CREATE, DELETE, Attributes, Plugin, is_about, refuse

CLASSES = "priorityclasses.scheduling.k8s.io"
GROUP = "scheduling.k8s.io"
PREEMPT = "PreemptLowerPriority"


async def _mutate(attributes: Attributes) -> None:
    pod = attributes.obj
    if pod is None or not is_about(attributes, "pods"):
        return
    spec = pod["spec"]
    if attributes.operation != CREATE:
        before = ((attributes.old or {}).get("spec") or {}).get("priority")
        if spec.get("priority") is None and before is not None:
            spec["priority"] = before
        return
    found = await _class_of(attributes, spec)
    priority, policy = found.get("value", 0), found.get("preemptionPolicy") or PREEMPT
    if spec.get("priority") not in (None, priority):
        why = (
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {priority} from the given PriorityClass name"
        )
        raise refuse(attributes, why)
    if spec.get("preemptionPolicy") not in (None, policy):
        why = (
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
        raise refuse(attributes, why)
    spec["priority"], spec["preemptionPolicy"] = priority, policy


async def _class_of(attributes: Attributes, spec: dict[str, Any]) -> dict[str, Any]:
    """The pod's class, or the default one, which is then named; {} where there is none."""
    name = spec.get("priorityClassName")
    if name:
        found = await attributes.find(CLASSES, "", name)
        if found is None:
            raise refuse(attributes, f"no PriorityClass with name {name} was found")
        return found
    defaults = [each for each in await attributes.list(CLASSES) if each.get("globalDefault")]
    if not defaults:
        return {}
    lowest = min(defaults, key=lambda each: int(each.get("value", 0)))
    spec["priorityClassName"] = lowest["metadata"]["name"]
    return lowest


async def _validate(attributes: Attributes) -> None:
    obj = attributes.obj
    if attributes.operation == DELETE or obj is None or not is_about(attributes, "priorityclasses", GROUP):
        return
    if not obj.get("globalDefault"):
        return
    for other in await attributes.list(CLASSES):
        name = other["metadata"]["name"]
        if other.get("globalDefault") and name != attributes.name:
            raise refuse(attributes, f"PriorityClass {name} is already marked as default. Only one default can exist")


PLUGIN = Plugin("Priority", _mutate, _validate, ("pods", CLASSES))
