"""resource.k8s.io/v1: devices that nodes have, and that pods claim."""

from __future__ import annotations

from apiserver.kinds.declaring import declare
from apiserver.kinds.resource import read_text

_GROUP = "resource.k8s.io/v1"

DEVICE_CLASSES = declare(f"{_GROUP} deviceclasses", tracks_generation=True)

RESOURCE_CLAIMS = declare(f"{_GROUP} resourceclaims")

RESOURCE_CLAIM_TEMPLATES = declare(f"{_GROUP} resourceclaimtemplates")

RESOURCE_SLICES = declare(
    f"{_GROUP} resourceslices",
    tracks_generation=True,
    field_labels={"spec.nodeName": read_text("spec", "nodeName"), "spec.driver": read_text("spec", "driver")},
)

RESOURCES = (DEVICE_CLASSES, RESOURCE_CLAIMS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_SLICES)
