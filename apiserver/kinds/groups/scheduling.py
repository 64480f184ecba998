"""scheduling.k8s.io/v1: which pods go first."""

from __future__ import annotations

from apiserver.kinds import cluster_scope, rows
from apiserver.kinds.declaring import declare

PRIORITY_CLASSES = declare(
    "scheduling.k8s.io/v1 priorityclasses",
    tracks_generation=True,
    defaults=cluster_scope.default_priority_class,
    columns=rows.PRIORITY_CLASS_COLUMNS,
    row=rows.priority_class_row,
)

RESOURCES = (PRIORITY_CLASSES,)
