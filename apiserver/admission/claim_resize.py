"""PersistentVolumeClaimResize: a claim grows only where it is bound and its storage class can grow."""

from __future__ import annotations

from typing import Any

from apiserver.admission.attributes import UPDATE, Attributes, Plugin, is_about, refuse
from apiserver.admission.default_storage_class import BETA_CLASS, CLASSES
from apiserver.meta import find_field, parse_quantity

_SIZE = ("spec", "resources", "requests", "storage")


async def _validate(attributes: Attributes) -> None:
    claim, old = attributes.obj, attributes.old
    if attributes.operation != UPDATE or claim is None or old is None:
        return
    if not is_about(attributes, "persistentvolumeclaims"):
        return
    size, before = find_field(claim, _SIZE), find_field(old, _SIZE)
    if size is None or before is None or parse_quantity(size) <= parse_quantity(before):
        return
    if find_field(old, "status.phase") != "Bound":
        raise refuse(attributes, "Only bound persistent volume claims can be expanded")
    name = _class_name(claim)
    found = await attributes.find(CLASSES, "", name) if name else None
    if found is None or not found.get("allowVolumeExpansion"):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
            "resize"
        )
        raise refuse(attributes, why)


def _class_name(claim: dict[str, Any]) -> str:
    annotations = claim["metadata"].get("annotations") or {}
    return annotations.get(BETA_CLASS) or find_field(claim, "spec.storageClassName") or ""


PLUGIN = Plugin("PersistentVolumeClaimResize", validate=_validate, resources=("persistentvolumeclaims",))
