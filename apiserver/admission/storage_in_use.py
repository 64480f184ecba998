"""StorageObjectInUseProtection: claims and volumes are born with a finalizer, so that nothing in use is deleted."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin

FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
}


async def _mutate(attributes: Attributes) -> None:
    resource = attributes.resource
    if attributes.operation != CREATE or resource.group or attributes.subresource or attributes.obj is None:
        return
    finalizer = FINALIZERS.get(resource.plural)
    if finalizer is not None:
        finalizers = attributes.obj["metadata"].setdefault("finalizers", [])
        if finalizer not in finalizers:
            finalizers.append(finalizer)


PLUGIN = Plugin("StorageObjectInUseProtection", mutate=_mutate, resources=tuple(FINALIZERS))
