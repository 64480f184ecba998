"""coordination.k8s.io/v1: who leads, and who is alive."""

from __future__ import annotations

from apiserver.kinds import discovered
from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows

LEASES = declare(
    "coordination.k8s.io/v1 leases",
    table=rows.LEASE,
    unconditional_update=False,
    create_on_update=True,
    defaults=discovered.default_lease,
)

RESOURCES = (LEASES,)
