"""TaintNodesByCondition: a new node takes no pods until something that watches it says it is ready."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin, is_about

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


async def _mutate(attributes: Attributes) -> None:
    if attributes.operation != CREATE or not is_about(attributes, "nodes") or attributes.obj is None:
        return
    taints = attributes.obj.setdefault("spec", {}).setdefault("taints", [])
    if not any(taint.get("key") == TAINT["key"] and taint.get("effect") == TAINT["effect"] for taint in taints):
        taints.append(dict(TAINT))


PLUGIN = Plugin("TaintNodesByCondition", mutate=_mutate, resources=("nodes",))
