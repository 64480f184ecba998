"""Priority: spec.priorityClassName becomes spec.priority and spec.preemptionPolicy."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin, is_core
from apiserver.errors import forbidden


async def _mutate(attributes: Attributes) -> None:
    if attributes.operation != CREATE or not is_core(attributes, "pods") or attributes.obj is None:
        return
    spec = attributes.obj["spec"]
    name = spec.get("priorityClassName")
    priority, policy = 0, "PreemptLowerPriority"
    if name:
        found = await attributes.find("priorityclasses", "", name)
        if found is None:
            raise forbidden("", "pods", attributes.name, f"no PriorityClass with name {name} was found")
        priority, policy = found.get("value", 0), found.get("preemptionPolicy", policy)
    if spec.get("priority") not in (None, priority):
        why = (
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {priority} from the given PriorityClass name"
        )
        raise forbidden("", "pods", attributes.name, why)
    spec["priority"] = priority
    spec.setdefault("preemptionPolicy", policy)


PLUGIN = Plugin("Priority", mutate=_mutate)
