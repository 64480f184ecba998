"""DefaultIngressClass: an ingress that names no class is given the one that is marked as the default."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin, find_default, is_about

GROUP = "networking.k8s.io"
CLASSES = "ingressclasses.networking.k8s.io"
DEFAULT = "ingressclass.kubernetes.io/is-default-class"
OLD_CLASS = "kubernetes.io/ingress.class"


async def _mutate(attributes: Attributes) -> None:
    ingress = attributes.obj
    if attributes.operation != CREATE or ingress is None or not is_about(attributes, "ingresses", GROUP):
        return
    spec = ingress.get("spec") or {}
    if spec.get("ingressClassName") is not None or OLD_CLASS in (ingress["metadata"].get("annotations") or {}):
        return
    found = find_default(await attributes.list(CLASSES), DEFAULT)
    if found is not None:
        ingress.setdefault("spec", {})["ingressClassName"] = found["metadata"]["name"]


PLUGIN = Plugin("DefaultIngressClass", mutate=_mutate, resources=("ingresses.networking.k8s.io",))
