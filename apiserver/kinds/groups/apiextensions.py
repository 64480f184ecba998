"""apiextensions.k8s.io/v1: kinds that users declare."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

CUSTOM_RESOURCE_DEFINITIONS = declare(
    "apiextensions.k8s.io/v1 customresourcedefinitions", tracks_generation=True, unconditional_update=False
)

RESOURCES = (CUSTOM_RESOURCE_DEFINITIONS,)
