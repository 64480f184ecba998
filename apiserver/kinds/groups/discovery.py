"""discovery.k8s.io/v1: where a service's pods are reached."""

from __future__ import annotations

from apiserver.kinds import discovered, rows
from apiserver.kinds.declaring import declare

ENDPOINT_SLICES = declare(
    "discovery.k8s.io/v1 endpointslices",
    tracks_generation=True,
    defaults=discovered.default_slice,
    generation_changed=discovered.slice_generation_changed,
    columns=rows.ENDPOINT_SLICE_COLUMNS,
    row=rows.endpoint_slice_row,
)

RESOURCES = (ENDPOINT_SLICES,)
