"""autoscaling/v2 and v1: how many pods a workload should have. Stored as v2; v1 is a view of it."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

HORIZONTAL_POD_AUTOSCALERS = declare("autoscaling/v2 horizontalpodautoscalers")

RESOURCES = (HORIZONTAL_POD_AUTOSCALERS,)
