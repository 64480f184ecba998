"""coordination.k8s.io/v1: who leads, and who is alive."""

from __future__ import annotations

from apiserver.kinds import discovered, rows
from apiserver.kinds.declaring import declare

LEASES = declare(
    "coordination.k8s.io/v1 leases",
    unconditional_update=False,
    create_on_update=True,
    defaults=discovered.default_lease,
    columns=rows.LEASE_COLUMNS,
    row=rows.lease_row,
)

RESOURCES = (LEASES,)
