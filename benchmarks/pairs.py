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

from benchmarks.servers import Server, etcd_server, kvcluster_server

RESULTS = Path(__file__).parent / "results"


class Figures(NamedTuple):
    """throughput in units per second; server_cpu_us: microseconds of server CPU per unit; p50/p99 in milliseconds."""

    throughput: float
    server_cpu_us: float
    p50_ms: float
    p99_ms: float


class Measured(NamedTuple):
    """What a workload hands back: how many units in how many seconds, with what latencies (seconds)."""

    units: int
    seconds: float
    latencies_s: list[float]


Workload = Callable[[Server], Awaitable[Measured]]
Opener = Callable[[], AbstractContextManager[Server]]


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)] if sorted_values else 0.0


def measure(opener: Opener, workload: Workload) -> Figures:
    with opener() as server:
        before_s = server.cpu_s()
        measured = asyncio.run(workload(server))
        cpu_s = server.cpu_s() - before_s
    latencies = sorted(measured.latencies_s)
    return Figures(
        measured.units / measured.seconds,
        cpu_s / measured.units * 1e6,
        percentile(latencies, 0.50) * 1e3,
        percentile(latencies, 0.99) * 1e3,
    )


def run_pairs(
    name: str, unit: str, workload: Workload, pairs: int, ours: Opener = kvcluster_server, theirs: Opener = etcd_server
) -> dict[str, Any]:
    """Runs, prints a line per pair and the medians, and writes results/<name>.json."""
    rows: list[tuple[Figures, Figures]] = []
    print(f"{name}: {unit}, {pairs} pairs", flush=True)
    for number in range(1, pairs + 1):
        pair = measure(ours, workload), measure(theirs, workload)
        rows.append(pair)
        print(
            f"  pair {number}: ours {pair[0].throughput:10,.0f}   etcd {pair[1].throughput:10,.0f}   "
            f"ratio {pair[0].throughput / pair[1].throughput:.2f}",
            flush=True,
        )
    summary = summarize(name, unit, rows)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(f"  median ratio {summary['ratio']:.2f}; server CPU per unit, ratio {summary['cpu_ratio']:.2f}", flush=True)
    return summary


def summarize(name: str, unit: str, rows: list[tuple[Figures, Figures]]) -> dict[str, Any]:
    def median(index: int, field: str) -> float:
        return statistics.median(getattr(row[index], field) for row in rows)

    cpu_ratios = [a.server_cpu_us / b.server_cpu_us for a, b in rows if b.server_cpu_us]
    return {
        "workload": name,
        "unit": unit,
        "pairs": len(rows),
        "python": platform.python_version(),
        "ratio": statistics.median(a.throughput / b.throughput for a, b in rows),
        "ratios": [round(a.throughput / b.throughput, 3) for a, b in rows],
        "cpu_ratio": statistics.median(cpu_ratios) if cpu_ratios else 0.0,
        "ours": {field: round(median(0, field), 3) for field in Figures._fields},
        "etcd": {field: round(median(1, field), 3) for field in Figures._fields},
    }
