"""RuntimeClass: a pod gets its runtime class's overhead, and runs only where that runtime is."""

from __future__ import annotations

from typing import Any

from apiserver.admission.attributes import CREATE, Attributes, Plugin, is_about, refuse
from apiserver.meta import parse_quantity

CLASSES = "runtimeclasses.node.k8s.io"

Object = dict[str, Any]


async def _mutate(attributes: Attributes) -> None:
    pod = attributes.obj
    if attributes.operation != CREATE or pod is None or not is_about(attributes, "pods"):
        return
    spec = pod["spec"]
    name = spec.get("runtimeClassName")
    found: Object = {}
    if name:
        known = await attributes.find(CLASSES, "", name)
        if known is None:
            raise refuse(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        found = known
    overhead = (found.get("overhead") or {}).get("podFixed")
    if overhead:
        if spec.get("overhead") and not _same(spec["overhead"], overhead):
            raise refuse(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        spec["overhead"] = dict(overhead)
    elif spec.get("overhead"):
        why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        raise refuse(attributes, why)
    if found.get("scheduling"):
        _place(attributes, spec, found["scheduling"])


def _same(one: Object, other: Object) -> bool:
    return one.keys() == other.keys() and all(parse_quantity(one[key]) == parse_quantity(other[key]) for key in one)


def _place(attributes: Attributes, spec: Object, scheduling: Object) -> None:
    """The class's selector and tolerations come to the pod's."""
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.setdefault(key, value) != value:
            why = (
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
            raise refuse(attributes, why)
    if selector:
        spec["nodeSelector"] = selector
    tolerations = list(spec.get("tolerations") or [])
    tolerations += [dict(each) for each in scheduling.get("tolerations") or () if each not in tolerations]
    if tolerations:
        spec["tolerations"] = tolerations


PLUGIN = Plugin("RuntimeClass", mutate=_mutate, resources=("pods",))
