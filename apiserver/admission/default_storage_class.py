"""DefaultStorageClass: a claim that does not say what storage it wants is given the class that is marked as the default."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin, find_default, is_about

CLASSES = "storageclasses.storage.k8s.io"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT = "storageclass.beta.kubernetes.io/is-default-class"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


async def _mutate(attributes: Attributes) -> None:
    claim = attributes.obj
    if attributes.operation != CREATE or claim is None or not is_about(attributes, "persistentvolumeclaims"):
        return
    spec = claim.get("spec") or {}
    if spec.get("storageClassName") is not None or BETA_CLASS in (claim["metadata"].get("annotations") or {}):
        return
    found = find_default(await attributes.list(CLASSES), DEFAULT, BETA_DEFAULT)
    if found is not None:
        claim.setdefault("spec", {})["storageClassName"] = found["metadata"]["name"]


PLUGIN = Plugin("DefaultStorageClass", mutate=_mutate, resources=("persistentvolumeclaims",))
