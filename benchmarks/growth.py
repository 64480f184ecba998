"""How cost grows: server CPU per put, get, range and watch event, from 1,000 to 1,000,000 keys and 10 to 50,000 watchers.

    python -m benchmarks.growth          # about four minutes: ours and etcd 3.5.1; writes results/growth.json and docs/growth.png

CPU and not throughput, since that is what grows: the generator and the network cost the same all the way. A curve is fine when
it is flat or rises with the logarithm, a straight line on these axes.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.pairs import RESULTS, write
from benchmarks.servers import Server, etcd_server, kvcluster_server
from benchmarks.works import UNARY, WATCH
from kvcluster.load import Plan, run_plan

PICTURE = Path(__file__).parent.parent / "docs" / "growth.png"
KEYS = (1_000, 10_000, 100_000, 1_000_000)
WATCHERS = (10, 1_000, 10_000, 50_000)
Curves = dict[str, list[tuple[int, float]]]


async def _cpu_us(server: Server, plan: Plan) -> float:
    """Microseconds of server CPU per operation (for a watch: per put)."""
    result = (await run_plan(replace(plan, endpoints=list(server.endpoints), server_pids=list(server.pids)))).to_json()
    if result["interrupted"]:
        raise RuntimeError(result["interrupted"])
    operations = result["watch"]["puts"] if result["watch"] else result["operations"]
    return sum(each["cpu_s"] for each in result["servers"]) / operations * 1e6


async def _by_keys(server: Server, curves: Curves) -> None:
    base = replace(UNARY, warm_up_s=0.2, total=20_000)
    for keys in KEYS:
        fill = replace(UNARY, warm_up_s=0.0, total=keys, key_space_size=keys, sequential_keys=True, clients=128)
        await _cpu_us(server, fill)
        plan = replace(base, key_space_size=keys)
        for name, measured in (
            ("put", plan),
            ("get", replace(plan, workload="range")),
            ("range of 100 keys", replace(plan, workload="range", range_keys=100, total=3_000)),
        ):
            curves.setdefault(name, []).append((keys, await _cpu_us(server, measured)))
            print(f"  {server.name}, {keys:,} keys: {name} {curves[name][-1][1]:.1f} us", flush=True)


async def _by_watchers(server: Server, curves: Curves) -> None:
    """Watchers of distinct keys: a put finds the one that wants it, however many there are."""
    for watchers in WATCHERS:
        streams = min(100, watchers)
        plan = replace(
            WATCH, workers=1, streams=streams, watch_per_stream=watchers // streams, watched="key",
            watched_keys=watchers, put_total=20_000,
        )  # fmt: skip
        name = "put that one of N watchers hears"
        curves.setdefault(name, []).append((watchers, await _cpu_us(server, plan)))
        print(f"  {server.name}, {watchers:,} watchers: {curves[name][-1][1]:.1f} us", flush=True)


def measure() -> dict[str, Curves]:
    found: dict[str, Curves] = {}
    for opener in (kvcluster_server, etcd_server):
        with opener() as server:
            curves = found.setdefault(server.name, {})
            asyncio.run(_by_keys(server, curves))
        with opener() as server:
            asyncio.run(_by_watchers(server, curves))
    return found


def draw(found: dict[str, Curves]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(next(iter(found.values())))
    figure, all_axes = pyplot.subplots(1, len(names), figsize=(4 * len(names), 3.4), constrained_layout=True)
    for axes, name in zip(all_axes, names, strict=True):
        for server, curves in found.items():
            points = curves[name]
            axes.plot([n for n, _ in points], [cost for _, cost in points], marker="o", label=server)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("watchers" if "watchers" in name else "keys")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("server CPU per operation, µs")
    all_axes[0].legend()
    figure.savefig(PICTURE, dpi=110)


def main(only_draw: str = "") -> dict[str, Any]:
    if only_draw:
        summary = json.loads((RESULTS / "growth.json").read_text())
    else:
        summary = {"work": "growth", "python": platform.python_version(), "cpu_us": measure()}
        write("growth", summary)
    draw(summary["cpu_us"])
    return summary


if __name__ == "__main__":
    main(*sys.argv[1:2])
