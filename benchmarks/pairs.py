"""Paired runs: ours, etcd, ours, etcd … in one go; the median of the ratios pair by pair is what counts.

These machines are noisy, so a figure alone says little; the ratio of two runs that stand next to each other says more. Each
run gets a fresh server. `Figures` are what one run measured; CPU is the server's alone.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.servers import Server
from kvcluster.load import Plan, run_plan

RESULTS = Path(__file__).parent / "results"


class Figures(NamedTuple):
    """throughput in units per second; server_cpu_us: microseconds of server CPU per unit; p50/p99 in milliseconds.

    generator_share: of a core, per worker; above 0.9 the generator is the limit.
    """

    throughput: float
    server_cpu_us: float
    p50_ms: float
    p99_ms: float
    generator_share: float = 0.0


Measure = Callable[[Server], Awaitable[Figures]]
Opener = Callable[[], AbstractContextManager[Server]]


async def measure_plan(plan: Plan, *, by_puts: bool = False) -> Figures:
    """A run of the load tester. by_puts: throughput is that of the writer of a watch workload, not of the deliveries."""
    result = (await run_plan(plan)).to_json()
    if result["interrupted"] or result["errors"]:
        raise RuntimeError(f"{plan.workload}: {result['interrupted'] or result['error_texts']}")
    cpu_s = sum(server["cpu_s"] for server in result["servers"])
    operations, throughput = result["operations"], result["throughput"]
    if by_puts:
        operations, throughput = result["watch"]["puts"], result["watch"]["puts_per_s"]
    latency = result["latency_ms"]
    return Figures(
        throughput, cpu_s / operations * 1e6, latency["p50"], latency["p99"], result["generator"]["cpu_share"]
    )


def run_pairs(
    name: str,
    title: str,
    measure: Measure,
    pairs: int,
    ours: Opener,
    theirs: Opener,
    *,
    mark: float = 0.0,
    cpu_mark: float = 0.0,
) -> dict[str, Any]:
    """Runs, prints a line per pair and the medians, and writes results/<name>.json. Marks: see benchmarks/works.py."""

    def one(opener: Opener) -> Figures:
        with opener() as server:
            return asyncio.run(measure(server))  # type: ignore[arg-type]

    rows: list[tuple[Figures, Figures]] = []
    print(f"{title}: {pairs} pairs", flush=True)
    for number in range(1, pairs + 1):
        pair = one(ours), one(theirs)
        rows.append(pair)
        print(
            f"  pair {number}: ours {pair[0].throughput:10,.0f}/s   etcd {pair[1].throughput:10,.0f}/s   "
            f"ratio {pair[0].throughput / pair[1].throughput:.2f}   p99 {pair[0].p99_ms:.1f} / {pair[1].p99_ms:.1f} ms",
            flush=True,
        )
    summary = summarize(name, title, rows, mark, cpu_mark)
    write(name, summary)
    print(f"  median ratio {summary['ratio']:.2f}; server CPU per unit, ratio {summary['cpu_ratio']:.2f}", flush=True)
    return summary


def write(name: str, summary: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(summary, indent=2) + "\n")


def summarize(
    name: str, title: str, rows: list[tuple[Figures, Figures]], mark: float, cpu_mark: float
) -> dict[str, Any]:
    def median(index: int, field: str) -> float:
        return statistics.median(getattr(row[index], field) for row in rows)

    cpu_ratios = [a.server_cpu_us / b.server_cpu_us for a, b in rows if b.server_cpu_us]
    return {
        "work": name,
        "title": title,
        "pairs": len(rows),
        "python": platform.python_version(),
        "ratio": statistics.median(a.throughput / b.throughput for a, b in rows),
        "ratios": [round(a.throughput / b.throughput, 3) for a, b in rows],
        "mark": mark,
        "cpu_ratio": statistics.median(cpu_ratios) if cpu_ratios else 0.0,
        "cpu_mark": cpu_mark,
        "ours": {field: round(median(0, field), 3) for field in Figures._fields},
        "etcd": {field: round(median(1, field), 3) for field in Figures._fields},
    }
