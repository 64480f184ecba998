"""One page with everything: figures, plots, errors, the plan. It needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from kvcluster.load.report.figures import FIGURES, figures_of, show
from kvcluster.load.report.plots import draw_svgs

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2026; --soft: #5d6570; --line: #d9dde3; --page: #fff; --card: #f6f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #a2a9b4; --line: #3a404a; --page: #16191d; --card: #1f2329; }
  svg text { fill: #e8eaed !important; }
  svg path[style*="stroke: #000000"], svg use[style*="stroke: #000000"] { stroke: #a2a9b4 !important; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1100px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.when { color: var(--soft); margin-top: 0; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; } .card { background: var(--card); border-radius: 8px; padding: .6rem 1rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; } .card span { color: var(--soft); }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots svg { max-width: 100%; height: auto; width: 520px; }
table { border-collapse: collapse; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .9rem .25rem 0; text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.bad { background: #b4372f; color: #fff; border-radius: 8px; padding: .7rem 1rem; } .note { color: var(--soft); }
"""


def build_html(result: Mapping[str, Any]) -> str:
    """The page. Raises PlotsMissingError."""
    title = f"kvcluster bench {result['workload']}"
    plan = result.get("plan", {})
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="when">{escape(", ".join(plan.get("endpoints", [])))} · {escape(str(result.get("started_at", "")))} '
        f"· {escape(str(result.get('program', '')))}</p>",
    ]
    if result.get("interrupted"):
        parts.append(
            f'<p class="bad">Interrupted: {escape(result["interrupted"])}. What follows was measured until then.</p>'
        )
    parts += ['<div class="cards">', *(_card(*card) for card in _cards(result)), "</div>"]
    if result.get("generator", {}).get("saturated"):
        parts.append('<p class="note">The generator was saturated: the server may be faster than this.</p>')
    parts += ['<h2>Over time</h2><div class="plots">', *draw_svgs(result), "</div>"]
    parts += ["<h2>Figures</h2>", _figures(result)]
    if watch := result.get("watch"):
        parts += ["<h2>Deliveries</h2>", _deliveries(watch)]
    if result["errors"]:
        rows = sorted(result.get("error_texts", {}).items(), key=lambda item: -item[1])
        parts += ["<h2>Errors</h2>", _table([(escape(text), f"{count:,}") for text, count in rows])]
    if plan:
        parts += ["<h2>Plan</h2>", _table([(escape(name), escape(_value(value))) for name, value in plan.items()])]
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _cards(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    latency = result["latency_ms"]
    cards = [
        (f"{result['throughput']:,.0f}/s", result["unit"]),
        (f"{show(latency['p50'])} ms", "p50"),
        (f"{show(latency['p99'])} ms", "p99"),
        (f"{show(latency['max'])} ms", "slowest"),
        (f"{result['errors']:,}", "errors"),
    ]
    if watch := result.get("watch"):
        cards.append(
            (f"{watch['lost'] + watch['duplicates'] + watch['out_of_order']:,}", "lost, twice or out of order")
        )
    return cards


def _card(value: str, name: str) -> str:
    return f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>'


def _figures(result: Mapping[str, Any]) -> str:
    rows = [("operations", f"{result.get('operations', 0):,}"), ("measured for", f"{result['duration_s']:,.3f} s")]
    for name, value in figures_of(result).items():
        figure = FIGURES[name]
        rows.append((escape(figure.title), escape(f"{show(value)} {figure.unit}".rstrip())))
    return _table(rows)


def _deliveries(watch: Mapping[str, Any]) -> str:
    rows = [(name, f"{watch[name]:,}") for name in ("watchers", "streams", "puts", "expected", "delivered")]
    for name, unit in (("skew_ms", "ms"), ("lag_revisions", "revisions")):
        for percentile, value in watch.get(name, {}).items():
            rows.append((f"{name.split('_')[0]} {percentile}", f"{show(value)} {unit}"))
    return _table(rows)


def _table(rows: list[tuple[str, str]]) -> str:
    return (
        "<table>" + "".join(f'<tr><td>{name}</td><td class="n">{value}</td></tr>' for name, value in rows) + "</table>"
    )


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
