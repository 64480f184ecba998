"""The order of API versions: v2 before v1 before v1beta2 before v1alpha1 before everything else, by name."""

from __future__ import annotations

import re
from typing import Any

_KUBE_LIKE = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")
_STABILITY = {"": 3, "beta": 2, "alpha": 1}


def version_order(name: str) -> tuple[Any, ...]:
    """Sorts the preferred version first."""
    found = _KUBE_LIKE.fullmatch(name)
    if found is None:
        return (1, name)
    return (0, -_STABILITY[found.group(2) or ""], -int(found.group(1)), -int(found.group(3) or 0))
