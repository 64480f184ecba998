"""scheduling.k8s.io/v1: which pods go first."""

from __future__ import annotations

from apiserver.kinds import cluster_scope
from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows

PRIORITY_CLASSES = declare(
    "scheduling.k8s.io/v1 priorityclasses",
    table=rows.PRIORITY_CLASS,
    tracks_generation=True,
    defaults=cluster_scope.default_priority_class,
)

RESOURCES = (PRIORITY_CLASSES,)
