"""discovery.k8s.io/v1: where a service's pods are reached."""

from __future__ import annotations

from apiserver.kinds import discovered
from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import networking as rows

ENDPOINT_SLICES = declare(
    "discovery.k8s.io/v1 endpointslices",
    table=rows.ENDPOINT_SLICE,
    tracks_generation=True,
    defaults=discovered.default_slice,
    generation_changed=discovered.slice_generation_changed,
)

RESOURCES = (ENDPOINT_SLICES,)
