"""policy/v1: how many pods must stay while others are evicted."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

DISRUPTION_BUDGETS = declare("policy/v1 poddisruptionbudgets", tracks_generation=True, unconditional_update=False)

RESOURCES = (DISRUPTION_BUDGETS,)
