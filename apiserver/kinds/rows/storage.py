"""Rows of volumes and claims, of storage.k8s.io, and of the devices of resource.k8s.io."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.rows.cells import NONE, UNSET, Table, name_of, part, wide
from apiserver.kinds.strategy import AGE, NAME, object_age
from apiserver.meta import Column

Object = dict[str, Any]

_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_DEFAULT_ATTRIBUTES = ("volumeattributesclass.alpha.kubernetes.io/is-default-class",)

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _modes(modes: list[str] | None) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))


def _class(obj: Object) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(_CLASS_ANNOTATION) or part(obj, "spec").get("storageClassName") or "")


def _phase(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(part(obj, "status").get("phase", ""))


_VOLUME_COLUMNS = (
    NAME,
    Column("Capacity"),
    Column("Access Modes"),
    Column("Reclaim Policy"),
    Column("Status"),
    Column("Claim"),
    Column("StorageClass", description="StorageClass of the pv"),
    Column("VolumeAttributesClass"),
    Column("Reason"),
    AGE,
    wide("VolumeMode"),
)


def _volume_row(volume: Object, now: float) -> list[Any]:
    spec, claim = part(volume, "spec"), part(volume, "spec").get("claimRef")
    return [
        name_of(volume),
        part(spec, "capacity").get("storage", "0"),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(volume),
        "" if claim is None else f"{claim.get('namespace', '')}/{claim.get('name', '')}",
        _class(volume),
        spec.get("volumeAttributesClassName", UNSET),
        part(volume, "status").get("reason", ""),
        object_age(volume, now),
        spec.get("volumeMode", UNSET),
    ]


_CLAIM_COLUMNS = (
    NAME,
    Column("Status"),
    Column("Volume"),
    Column("Capacity"),
    Column("Access Modes"),
    Column("StorageClass", description="StorageClass of the pvc"),
    Column("VolumeAttributesClass"),
    AGE,
    wide("VolumeMode"),
)


def _claim_row(claim: Object, now: float) -> list[Any]:
    """What a claim got is shown once it has a volume."""
    spec, status = part(claim, "spec"), part(claim, "status")
    bound = spec.get("volumeName", "")
    return [
        name_of(claim),
        _phase(claim),
        bound,
        part(status, "capacity").get("storage", "0") if bound else "",
        _modes(status.get("accessModes")) if bound else "",
        _class(claim),
        spec.get("volumeAttributesClassName", UNSET),
        object_age(claim, now),
        spec.get("volumeMode", UNSET),
    ]


def _name_and_default(obj: Object, annotations: tuple[str, ...]) -> str:
    said = obj["metadata"].get("annotations") or {}
    is_default = any(said.get(annotation) == "true" for annotation in annotations)
    return f"{name_of(obj)} (default)" if is_default else name_of(obj)


_CLASS_COLUMNS = (
    NAME,
    Column("Provisioner"),
    Column("ReclaimPolicy"),
    Column("VolumeBindingMode"),
    Column("AllowVolumeExpansion"),
    AGE,
)


def _class_row(storage_class: Object, now: float) -> list[Any]:
    return [
        _name_and_default(storage_class, _DEFAULT_CLASS),
        storage_class.get("provisioner", ""),
        storage_class.get("reclaimPolicy", "Delete"),
        storage_class.get("volumeBindingMode", "Immediate"),
        storage_class.get("allowVolumeExpansion", False),
        object_age(storage_class, now),
    ]


_ATTRIBUTES_COLUMNS = (NAME, Column("DriverName"), AGE)


def _attributes_row(attributes_class: Object, now: float) -> list[Any]:
    name = _name_and_default(attributes_class, _DEFAULT_ATTRIBUTES)
    return [name, attributes_class.get("driverName", ""), object_age(attributes_class, now)]


_ATTACHMENT_COLUMNS = (
    NAME,
    Column("Attacher", "string", "name"),
    Column("PV"),
    Column("Node"),
    Column("Attached", "boolean"),
    AGE,
)


def _attachment_row(attachment: Object, now: float) -> list[Any]:
    spec = part(attachment, "spec")
    return [
        name_of(attachment),
        spec.get("attacher", ""),
        part(spec, "source").get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        part(attachment, "status").get("attached", False),
        object_age(attachment, now),
    ]


_DRIVER_COLUMNS = (
    NAME,
    Column("AttachRequired", "boolean"),
    Column("PodInfoOnMount", "boolean"),
    Column("StorageCapacity", "boolean"),
    Column("TokenRequests"),
    Column("RequiresRepublish", "boolean"),
    Column("Modes"),
    AGE,
)


def _driver_row(driver: Object, now: float) -> list[Any]:
    spec = part(driver, "spec")
    requests = spec.get("tokenRequests")
    return [
        name_of(driver),
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        UNSET if requests is None else ",".join(request.get("audience", "") for request in requests),
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        object_age(driver, now),
    ]


_NODE_COLUMNS = (NAME, Column("Drivers", "integer"), AGE)


def _node_row(node: Object, now: float) -> list[Any]:
    return [name_of(node), len(part(node, "spec").get("drivers") or ()), object_age(node, now)]


_CAPACITY_COLUMNS = (NAME, Column("StorageClassName"), Column("Capacity"))


def _capacity_row(capacity: Object, now: float) -> list[Any]:
    return [name_of(capacity), capacity.get("storageClassName", ""), capacity.get("capacity", UNSET)]


# Devices ------------------------------------------------------------------------------------------------------------

_RESOURCE_CLAIM_COLUMNS = (
    NAME,
    Column("State", description="A summary of the current state (allocated, pending, reserved, etc.)."),
    AGE,
)


def _resource_claim_row(claim: Object, now: float) -> list[Any]:
    status, is_deleted = part(claim, "status"), bool(claim["metadata"].get("deletionTimestamp"))
    states = ["deleted"] if is_deleted else []
    if status.get("allocation") is None:
        states += [] if is_deleted else ["pending"]
    else:
        states.append("allocated")
        states += ["reserved"] if status.get("reservedFor") else []
    return [name_of(claim), ",".join(states), object_age(claim, now)]


_RESOURCE_SLICE_COLUMNS = (NAME, Column("Node"), Column("Driver"), Column("Pool"), AGE)


def _resource_slice_row(resource_slice: Object, now: float) -> list[Any]:
    spec = part(resource_slice, "spec")
    return [
        name_of(resource_slice),
        spec.get("nodeName", ""),
        spec.get("driver", ""),
        part(spec, "pool").get("name", ""),
        object_age(resource_slice, now),
    ]


PERSISTENT_VOLUME = Table(_VOLUME_COLUMNS, _volume_row)
PERSISTENT_VOLUME_CLAIM = Table(_CLAIM_COLUMNS, _claim_row)
STORAGE_CLASS = Table(_CLASS_COLUMNS, _class_row)
VOLUME_ATTRIBUTES_CLASS = Table(_ATTRIBUTES_COLUMNS, _attributes_row)
VOLUME_ATTACHMENT = Table(_ATTACHMENT_COLUMNS, _attachment_row)
CSI_DRIVER = Table(_DRIVER_COLUMNS, _driver_row)
CSI_NODE = Table(_NODE_COLUMNS, _node_row)
CSI_STORAGE_CAPACITY = Table(_CAPACITY_COLUMNS, _capacity_row)
RESOURCE_CLAIM = Table(_RESOURCE_CLAIM_COLUMNS, _resource_claim_row)
RESOURCE_SLICE = Table(_RESOURCE_SLICE_COLUMNS, _resource_slice_row)
