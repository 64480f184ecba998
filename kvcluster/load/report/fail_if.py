"""--fail-if 'p99_ms > 20': a figure, a comparison, a number."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kvcluster.errors import ConfigError
from kvcluster.load.report.figures import FIGURES, figures_of, show

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_PATTERN = re.compile(r"\s*([A-Za-z][\w.]*)\s*(>=|<=|==|!=|>|<)\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*")


class ConditionError(ConfigError):
    """An expression that cannot be understood."""


class Condition(NamedTuple):
    """Made by `parse_condition`."""

    figure: str
    comparison: str
    number: float

    def failure(self, result: Mapping[str, Any]) -> str | None:
        """One line where the condition holds, or where the result has no such figure; None: all is well."""
        figures = figures_of(result)
        if self.figure not in figures:
            return f"{self}: this run has no {self.figure}"
        value = figures[self.figure]
        return f"{self}: it is {show(value)}" if _OPERATORS[self.comparison](value, self.number) else None

    def __str__(self) -> str:
        return f"{self.figure} {self.comparison} {self.number:g}"


def parse_condition(text: str) -> Condition:
    """Raises ConditionError."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ConditionError(f"--fail-if {text!r}: expected a figure, a comparison and a number, as in 'p99_ms > 20'")
    figure, comparison, number = found.groups()
    if figure not in FIGURES:
        raise ConditionError(f"--fail-if {text!r}: there is no figure {figure!r}; there are {', '.join(FIGURES)}")
    return Condition(figure, comparison, float(number))
