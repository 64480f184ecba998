"""storage.k8s.io/v1: where volumes come from, and where they are attached."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

_GROUP = "storage.k8s.io/v1"

CSI_DRIVERS = declare(f"{_GROUP} csidrivers", unconditional_update=False)

CSI_NODES = declare(f"{_GROUP} csinodes", unconditional_update=False)

CSI_CAPACITIES = declare(f"{_GROUP} csistoragecapacities", unconditional_update=False)

STORAGE_CLASSES = declare(f"{_GROUP} storageclasses")

VOLUME_ATTACHMENTS = declare(f"{_GROUP} volumeattachments", unconditional_update=False)

VOLUME_ATTRIBUTES_CLASSES = declare(f"{_GROUP} volumeattributesclasses")

RESOURCES = (
    CSI_DRIVERS,
    CSI_NODES,
    CSI_CAPACITIES,
    STORAGE_CLASSES,
    VOLUME_ATTACHMENTS,
    VOLUME_ATTRIBUTES_CLASSES,
)
