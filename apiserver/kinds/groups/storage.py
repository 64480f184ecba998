"""storage.k8s.io/v1: where volumes come from, and where they are attached.

Source of the defaults: Kubernetes pkg/apis/storage/v1/defaults.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import storage as rows
from apiserver.kinds.strategy import replace_only_status, set_missing

Object = dict[str, Any]

_GROUP = "storage.k8s.io/v1"

_DRIVER: Object = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def default_storage_class(storage_class: Object) -> None:
    storage_class.setdefault("reclaimPolicy", "Delete")
    storage_class.setdefault("volumeBindingMode", "Immediate")


def default_driver(driver: Object) -> None:
    spec = driver.setdefault("spec", {})
    for field, value in _DRIVER.items():
        spec.setdefault(field, value)
    set_missing(spec, "volumeLifecycleModes", ["Persistent"])


def default_node(node: Object) -> None:
    """A node without drivers says so."""
    spec = node.setdefault("spec", {})
    if not spec.get("drivers"):
        spec["drivers"] = None


def default_attachment(attachment: Object) -> None:
    attachment.setdefault("spec", {}).setdefault("source", {})
    attachment.setdefault("status", {}).setdefault("attached", False)


def prepare_attachment(attachment: Object) -> None:
    attachment["status"] = {"attached": False}


CSI_DRIVERS = declare(
    f"{_GROUP} csidrivers", table=rows.CSI_DRIVER, unconditional_update=False, defaults=default_driver
)

CSI_NODES = declare(f"{_GROUP} csinodes", table=rows.CSI_NODE, unconditional_update=False, defaults=default_node)

CSI_CAPACITIES = declare(f"{_GROUP} csistoragecapacities", table=rows.CSI_STORAGE_CAPACITY, unconditional_update=False)

STORAGE_CLASSES = declare(f"{_GROUP} storageclasses", table=rows.STORAGE_CLASS, defaults=default_storage_class)

VOLUME_ATTACHMENTS = declare(
    f"{_GROUP} volumeattachments",
    table=rows.VOLUME_ATTACHMENT,
    unconditional_update=False,
    defaults=default_attachment,
    prepare_create=prepare_attachment,
    prepare_status_update=replace_only_status,
)

VOLUME_ATTRIBUTES_CLASSES = declare(f"{_GROUP} volumeattributesclasses", table=rows.VOLUME_ATTRIBUTES_CLASS)

RESOURCES = (
    CSI_DRIVERS,
    CSI_NODES,
    CSI_CAPACITIES,
    STORAGE_CLASSES,
    VOLUME_ATTACHMENTS,
    VOLUME_ATTRIBUTES_CLASSES,
)
