"""policy/v1: how many pods must stay while others are evicted."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import networking as rows

Object = dict[str, Any]

_STATUS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def default_budget(budget: Object) -> None:
    budget.setdefault("spec", {})
    status = budget.setdefault("status", {})
    for field in _STATUS:
        status.setdefault(field, 0)


def prepare_budget(budget: Object) -> None:
    budget["status"] = dict.fromkeys(_STATUS, 0)


DISRUPTION_BUDGETS = declare(
    "policy/v1 poddisruptionbudgets",
    table=rows.DISRUPTION_BUDGET,
    tracks_generation=True,
    unconditional_update=False,
    defaults=default_budget,
    prepare_create=prepare_budget,
)

RESOURCES = (DISRUPTION_BUDGETS,)
