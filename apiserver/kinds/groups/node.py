"""node.k8s.io/v1: the container runtimes that nodes offer."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

RUNTIME_CLASSES = declare("node.k8s.io/v1 runtimeclasses", unconditional_update=False)

RESOURCES = (RUNTIME_CLASSES,)
