"""How the API server's cost grows: CPU per request from 1,000 to 100,000 objects, and of a patch that 1 to 1,000 watchers hear.

    python -m benchmarks.growth_apiserver    # about five minutes; results/growth_apiserver.json, docs/growth-apiserver.png

CPU of the server's process, its store of one member included. A curve is fine when it is flat or rises with the logarithm.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.apiserver import CALLERS, measure, port_of, server
from benchmarks.http_load import call_all, open_watches, request
from benchmarks.pairs import RESULTS, write
from benchmarks.servers import Server

PICTURE = Path(__file__).parent.parent / "docs" / "growth-apiserver.png"
OBJECTS = (1_000, 10_000, 100_000)
WATCHERS = (1, 10, 100, 1_000)
MAPS = "/api/v1/namespaces/default/configmaps"
PAGE = 500
Curves = dict[str, list[tuple[int, float]]]


def create(number: int) -> bytes:
    body = {"metadata": {"name": f"m-{number:07d}", "labels": {"app": "growth"}}, "data": {"key": "x" * 256}}
    return request("POST", MAPS, json.dumps(body).encode())


def patch(number: int, objects: int) -> bytes:
    body = json.dumps({"data": {"key": f"{number:0256d}"}}).encode()
    return request("PATCH", f"{MAPS}/m-{number % objects:07d}", body, "application/merge-patch+json")


async def by_objects(started: Server, curves: Curves) -> None:
    made = 0
    for objects in OBJECTS:
        await call_all(port_of(started), (create(number) for number in range(made, objects)), CALLERS, b"201")
        made = objects
        step = 7919  # all over the place, as real requests are
        works = {
            "get": [request("GET", f"{MAPS}/m-{number * step % objects:07d}") for number in range(5_000)],
            "patch": [patch(number * step, objects) for number in range(3_000)],
            f"page of {PAGE}": [request("GET", f"{MAPS}?limit={PAGE}")] * 100,
        }
        for name, requests in works.items():
            figures = await measure(started, requests)
            curves.setdefault(name, []).append((objects, figures.cpu_us))
        figures = await measure(started, [create(number) for number in range(made, made + 3_000)], b"201")
        made += 3_000
        curves.setdefault("create", []).append((objects, figures.cpu_us))
        curves.setdefault("memory, MB", []).append((objects, started.rss_mb()))
        print(f"  {objects:,} objects: { {name: round(points[-1][1], 1) for name, points in curves.items()} }", flush=True)


async def by_watchers(started: Server, curves: Curves) -> None:
    port, events = port_of(started), 2_000
    await call_all(port, (create(number) for number in range(1_000)), CALLERS, b"201")
    await call_all(port, (patch(number, 1_000) for number in range(1_000)), CALLERS)
    for watchers in WATCHERS:
        watches = await open_watches(port, f"{MAPS}?watch=1&resourceVersion=0&sendInitialEvents=false"
                                           "&resourceVersionMatch=NotOlderThan", watchers)  # fmt: skip
        for watch in watches:
            watch.want(events)
        figures = await measure(started, [patch(watchers * 100_000 + number, 1_000) for number in range(events)])
        await asyncio.gather(*(watch.reached for watch in watches))
        for watch in watches:
            watch.transport.abort()
        curves.setdefault("patch that N watchers hear", []).append((watchers, figures.cpu_us))
        print(f"  {watchers:,} watchers: {figures.cpu_us:.0f} us a patch", flush=True)


def measure_all() -> Curves:
    curves: Curves = {}
    for work in (by_objects, by_watchers):
        with server("ours") as started, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(started, curves))
    return curves


def draw(curves: Curves) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, all_axes = pyplot.subplots(2, 3, figsize=(12, 6.4), constrained_layout=True)
    for axes, (name, points) in zip(all_axes.flat, curves.items(), strict=True):
        axes.plot([number for number, _ in points], [cost for _, cost in points], marker="o")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0, top=max(cost for _, cost in points) * 1.25 or 1)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("watchers" if "watchers" in name else "objects")
        axes.set_ylabel("MB" if "MB" in name else "server CPU, µs")
        axes.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=110)


def main(only_draw: str = "") -> dict[str, Any]:
    if only_draw:
        summary: dict[str, Any] = json.loads((RESULTS / "growth_apiserver.json").read_text())
    else:
        summary = {"work": "growth_apiserver", "python": platform.python_version(), "cpu_us": measure_all()}
        write("growth_apiserver", summary)
    draw(summary["cpu_us"])
    return summary


if __name__ == "__main__":
    main(*sys.argv[1:2])
