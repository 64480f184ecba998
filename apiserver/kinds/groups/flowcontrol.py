"""flowcontrol.apiserver.k8s.io/v1: whose requests are answered first."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

_GROUP = "flowcontrol.apiserver.k8s.io/v1"

FLOW_SCHEMAS = declare(f"{_GROUP} flowschemas", tracks_generation=True)

PRIORITY_LEVELS = declare(f"{_GROUP} prioritylevelconfigurations", tracks_generation=True)

RESOURCES = (FLOW_SCHEMAS, PRIORITY_LEVELS)
