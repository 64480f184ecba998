"""The API server against a yardstick: a bare aiohttp handler that answers a constant of the same size, in the same run.

    python -m benchmarks.apiserver [PAIRS [WORK]]       # about three minutes with 3 pairs; writes results/apiserver.json

Each pair starts both servers anew (benchmarks/api_process.py). What counts is server CPU per request, and the ratio of the
throughputs; the generator runs in this process, on another processor. Watches are measured by the difference: the CPU of
writing the same objects with and without watchers, for each event and watcher.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvloop

from benchmarks.http_load import Watching, call_all, open_watches, request
from benchmarks.list_pods import make_pod
from benchmarks.pairs import write
from benchmarks.servers import Server, free_port, running

PODS = "/api/v1/namespaces/default/pods"
CALLERS = 32
WARM_UP = 500


class Figures(NamedTuple):
    """cpu_us: of the server, per request."""

    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    body_bytes: int


@contextmanager
def server(kind: str, *sizes: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.api_process", kind, str(port), *map(str, sizes)]
    with running(kind, [command], [port], "/readyz") as started:
        yield started


def port_of(started: Server) -> int:
    return int(started.endpoint.rsplit(":", 1)[1])


async def measure(started: Server, requests: list[bytes], expected: bytes = b"200", callers: int = CALLERS) -> Figures:
    cpu_s = started.cpu_s()
    seconds, latencies, body_bytes = await call_all(port_of(started), iter(requests), callers, expected)
    cpu_us = (started.cpu_s() - cpu_s) / len(requests) * 1e6
    p99_ms = statistics.quantiles(latencies, n=100)[98] * 1e3
    return Figures(
        len(requests) / seconds, cpu_us, statistics.median(latencies) * 1e3, p99_ms, body_bytes // len(requests)
    )


def creates(begin: int, count: int) -> list[bytes]:
    return [request("POST", PODS, json.dumps(make_pod(number)).encode()) for number in range(begin, begin + count)]


def patches(begin: int, count: int, objects: int) -> list[bytes]:
    def patch(number: int) -> bytes:
        body = json.dumps({"metadata": {"labels": {"number": str(number)}}}).encode()
        return request("PATCH", f"{PODS}/pod-{number % objects:05d}", body, "application/merge-patch+json")

    return [patch(number) for number in range(begin, begin + count)]


def gets(count: int, objects: int) -> list[bytes]:
    return [request("GET", f"{PODS}/pod-{number % objects:05d}") for number in range(count)]


async def measure_ours(started: Server, works: tuple[str, ...]) -> dict[str, Figures]:
    found = {}
    await call_all(port_of(started), iter(creates(0, 2000)), CALLERS, b"201")
    if "get" in works:
        await call_all(port_of(started), iter(gets(WARM_UP, 2000)), CALLERS)
        found["get"] = await measure(started, gets(20_000, 2000))
    if "list" in works:
        await call_all(port_of(started), iter([request("GET", PODS)] * 5), 4)
        found["list"] = await measure(started, [request("GET", PODS)] * 200, callers=4)
    if "create" in works:
        found["create"] = await measure(started, creates(10_000, 6000), b"201")
    if "patch" in works:
        await call_all(port_of(started), iter(patches(0, WARM_UP, 2000)), CALLERS)
        found["patch"] = await measure(started, patches(100_000, 6000, 2000))
    return found


async def measure_bare(started: Server, ours: dict[str, Figures]) -> dict[str, Figures]:
    """The same requests, answered with as many bytes."""
    found = {}
    for number, name in enumerate(ours):
        path = f"/{number}"
        if name == "list":
            found[name] = await measure(started, [request("GET", path)] * 200, callers=4)
            continue
        body = json.dumps(make_pod(1)).encode() if name == "create" else b'{"metadata":{"labels":{"number":"100000"}}}'
        method = {"create": "POST", "patch": "PATCH"}.get(name, "GET")
        one = request(method, path, body) if method != "GET" else request("GET", path)
        await call_all(port_of(started), iter([one] * WARM_UP), CALLERS)
        found[name] = await measure(started, [one] * 20_000)
    return found


async def measure_fan_out(started: Server, watchers: int, events: int = 3000) -> dict[str, float]:
    """cpu_us: of the server, for each event and watcher. A watch's kernel work is the server's CPU too."""
    port = port_of(started)
    await call_all(port, iter(creates(0, 1000)), CALLERS, b"201")
    await call_all(port, iter(patches(0, WARM_UP, 1000)), CALLERS)
    alone = await measure(started, patches(1_000_000, events, 1000))
    watches: list[Watching] = await open_watches(port, f"{PODS}?watch=1&resourceVersion={await newest(port)}", watchers)
    for watch in watches:
        watch.want(events)
    cpu_s = started.cpu_s()
    with_them = await measure(started, patches(2_000_000, events, 1000))
    await asyncio.gather(*(watch.reached for watch in watches))
    cpu_us = (started.cpu_s() - cpu_s) * 1e6 - alone.cpu_us * events
    for watch in watches:
        watch.transport.abort()
    return {
        "watchers": watchers,
        "events": events,
        "cpu_us": cpu_us / events / watchers,
        "events_per_s": with_them.per_s,
        "deliveries_per_s": with_them.per_s * watchers,
        "rss_mb": started.rss_mb(),
    }


SYNC = 10_000
INITIAL = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


async def measure_sync(started: Server, times: int = 10) -> dict[str, Any]:
    """An informer comes up on 10,000 pods: in one stream (sendInitialEvents), or with a list. Then 1,000 watchers join them."""
    port = port_of(started)
    await call_all(port, iter(creates(0, SYNC)), CALLERS, b"201")
    found: dict[str, Any] = {"objects": SYNC}
    for name in ("stream", "list"):
        cpu_s, began_s, size = started.cpu_s(), time.perf_counter(), 0
        for _ in range(times):
            if name == "stream":
                (watch,) = await open_watches(port, f"{PODS}?{INITIAL}", 1)
                watch.want(SYNC + 1, so_far=True)
                await watch.reached
                size = watch.bytes
                watch.transport.abort()
            else:
                size = (await call_all(port, iter([request("GET", PODS)]), 1))[2]
        found[name] = {
            "ms": round((time.perf_counter() - began_s) / times * 1e3, 1),
            "cpu_ms": round((started.cpu_s() - cpu_s) / times * 1e3, 1),
            "bytes": size,
        }
    watches = await open_watches(port, f"{PODS}?watch=1&resourceVersion={await newest(port)}", 1000)
    await measure(started, patches(1_000_000, 500, SYNC))
    found["rss_mb"] = round(started.rss_mb())
    for watch in watches:
        watch.transport.abort()
    return found


async def newest(port: int) -> int:
    """The version of a list."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("GET", f"{PODS}?limit=1"))
    text = await reader.readuntil(b'"resourceVersion":"')
    text = await reader.readuntil(b'"')
    writer.close()
    return int(text[:-1])


WORKS = ("get", "list", "create", "patch")


def run_pair(works: tuple[str, ...]) -> tuple[dict[str, Figures], dict[str, Figures]]:
    with server("ours") as started:
        ours = _run(measure_ours(started, works))
    with server("bare", *(figures.body_bytes for figures in ours.values())) as started:
        bare = _run(measure_bare(started, ours))
    for name in ours:
        ratio, cpu = ours[name].per_s / bare[name].per_s, bare[name].cpu_us / ours[name].cpu_us
        print(
            f"  {name:7} ours {ours[name].per_s:8,.0f}/s {ours[name].cpu_us:7.1f} us   bare {bare[name].per_s:8,.0f}/s "
            f"{bare[name].cpu_us:7.1f} us   {ours[name].body_bytes:,} bytes   ratio {ratio:.2f}, by CPU {cpu:.2f}",
            flush=True,
        )
    return ours, bare


def _run(work: Any) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def run_fan_out(watchers: int, events: int = 3000) -> dict[str, float]:
    with server("ours") as started:
        found = _run(measure_fan_out(started, watchers, events))
    print(
        f"  {watchers} watchers: {found['cpu_us']:.2f} us an event and watcher, {found['events_per_s']:,.0f} events/s, "
        f"{found['deliveries_per_s']:,.0f} deliveries/s, {found['rss_mb']:.0f} MB",
        flush=True,
    )
    return found


def run_sync() -> dict[str, Any]:
    with server("ours") as started:
        found: dict[str, Any] = _run(measure_sync(started))
    stream, listed = found["stream"], found["list"]
    print(
        f"  informer sync of {found['objects']:,} pods: in a stream {stream['ms']} ms ({stream['cpu_ms']} ms CPU), by a list "
        f"{listed['ms']} ms ({listed['cpu_ms']} ms CPU); with 1,000 watchers {found['rss_mb']} MB",
        flush=True,
    )
    return found


def main(pairs: str = "3", only: str = "") -> dict[str, Any]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    works = tuple(work for work in WORKS if not only or work == only)
    rows = [run_pair(works) for _ in range(int(pairs))] if works else []
    fans = [run_fan_out(100), run_fan_out(1000)] if only in ("", "watch") else []
    summary: dict[str, Any] = {"work": "apiserver", "python": platform.python_version(), "works": {}, "fan_out": fans}
    if only in ("", "sync"):
        summary["sync"] = run_sync()
    for name in works:
        ours = [row[0][name] for row in rows]
        bare = [row[1][name] for row in rows]
        summary["works"][name] = {
            "ratio": statistics.median(a.per_s / b.per_s for a, b in zip(ours, bare, strict=True)),
            "cpu_ratio": statistics.median(b.cpu_us / a.cpu_us for a, b in zip(ours, bare, strict=True)),
            "ours": _medians(ours),
            "bare": _medians(bare),
        }
    if not only:
        write("apiserver", summary)
    return summary


TITLES = {
    "get": ("get a pod", 0.6, 0),
    "list": ("list 2,000 pods", 0.7, 0),
    "create": ("create a pod", 0, 2500),
    "patch": ("merge patch of a pod's label", 0, 2000),
}


def table_rows(summary: dict[str, Any] | None) -> list[str]:
    """Rows for benchmarks/README.md. A core is what one process has: 1 s of its CPU."""
    if summary is None:
        return []
    rows = [
        "| API server and store, one process | /s | bare aiohttp /s | ratio | mark | CPU a request | bare | per core | mark |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (title, ratio, per_core) in TITLES.items():
        row = summary["works"].get(name)
        if row is None:
            continue
        ours, bare, core = row["ours"], row["bare"], 1e6 / row["ours"]["cpu_us"]
        rows.append(
            f"| {title} ({ours['body_bytes']:,.0f} bytes) | {ours['per_s']:,.0f} | {bare['per_s']:,.0f} | **{row['ratio']:.2f}** "
            f"| {_mark(row['ratio'], ratio)} | {ours['cpu_us']:,.0f} µs | {bare['cpu_us']:,.0f} µs | {core:,.0f}/s "
            f"| {_mark(core, per_core)} |"
        )
    rows += ["", "| API server, other marks | | mark |", "|---|---|---|"]
    for fan in summary["fan_out"]:
        cost = fan["cpu_us"]
        rows.append(
            f"| an event for each of {fan['watchers']:,} watchers, at {fan['events_per_s']:,.0f} events/s | {cost:.2f} µs of CPU "
            f"| ≤ 3 µs {'✓' if cost <= 3 else '✗'} |"
        )
    sync = summary.get("sync")
    if sync:
        rows += [
            f"| an informer comes up on {sync['objects']:,} pods, in a stream | {sync['stream']['ms']} ms, "
            f"{sync['stream']['cpu_ms']} ms of CPU, {sync['stream']['bytes'] / 1e6:.0f} MB | |",
            f"| the same with a list | {sync['list']['ms']} ms, {sync['list']['cpu_ms']} ms of CPU | |",
            f"| memory with {sync['objects']:,} pods and 1,000 watchers, the store included | {sync['rss_mb']} MB "
            f"| ≤ 600 MB {'✓' if sync['rss_mb'] <= 600 else '✗'} |",
        ]
    return rows


def _mark(value: float, mark: float) -> str:
    return f"≥ {mark:,g} {'✓' if value >= mark else '✗'}" if mark else ""


def _medians(rows: list[Figures]) -> dict[str, float]:
    return {field: round(statistics.median(getattr(row, field) for row in rows), 2) for field in Figures._fields}


if __name__ == "__main__":
    main(*sys.argv[1:3])
