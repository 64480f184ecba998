"""node.k8s.io/v1: the container runtimes that nodes offer."""

from __future__ import annotations

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows

RUNTIME_CLASSES = declare("node.k8s.io/v1 runtimeclasses", table=rows.RUNTIME_CLASS, unconditional_update=False)

RESOURCES = (RUNTIME_CLASSES,)
