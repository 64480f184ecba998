"""Two results next to each other: the ratio of every figure that both have, and whether it is for the better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcluster.load.report.figures import FIGURES, figures_of, show

SAME = 0.02
"""Ratios this close to 1 are neither better nor worse: runs differ by more than that."""


class Row(NamedTuple):
    """ratio: b / a; None where a is 0. verdict: better, worse, same, or ""."""

    name: str
    a: float
    b: float
    ratio: float | None
    verdict: str


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    figures_a, figures_b = figures_of(a), figures_of(b)
    return [
        Row(name, figures_a[name], figures_b[name], *_judge(name, figures_a[name], figures_b[name]))
        for name in figures_a
        if name in figures_b
    ]


def _judge(name: str, a: float, b: float) -> tuple[float | None, str]:
    better = FIGURES[name].better
    ratio = b / a if a else (1.0 if not b else None)
    if not better:
        return ratio, ""
    if ratio is not None and abs(ratio - 1) <= SAME:
        return ratio, "same"
    return ratio, "better" if (b > a) == (better == "more") else "worse"


def compare_text(a: Mapping[str, Any], b: Mapping[str, Any], name_a: str, name_b: str) -> str:
    """A table; ends with a newline."""
    rows = compare(a, b)
    cells = [("figure", name_a, name_b, "ratio", "")]
    for row in rows:
        figure = FIGURES[row.name]
        title = f"{figure.title} ({figure.unit})" if figure.unit else figure.title
        cells.append((title, show(row.a), show(row.b), "–" if row.ratio is None else f"{row.ratio:.2f}", row.verdict))
    widths = [max(len(cell[column]) for cell in cells) for column in range(5)]
    lines = [
        "  ".join(
            [cell[0].ljust(widths[0]), *(cell[column].rjust(widths[column]) for column in (1, 2, 3)), cell[4]]
        ).rstrip()
        for cell in cells
    ]
    if a["workload"] != b["workload"]:
        lines.insert(0, f"Different workloads: {a['workload']} and {b['workload']}.")
    for name, result in ((name_a, a), (name_b, b)):
        if result.get("interrupted"):
            lines.insert(0, f"{name} was interrupted: {result['interrupted']}")
        if result.get("generator", {}).get("saturated"):
            lines.append(f"{name}: the generator was saturated.")
    return "\n".join(lines) + "\n"
