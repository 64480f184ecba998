"""The store without sockets: `Cluster(members=1)`, many tasks of one task group. `python -m benchmarks.embedded`

Puts of 256 bytes and gets on 1,000 keys by 100 tasks, on uvloop and on the event loop of asyncio; and how long three members
take to be ready once everything is imported. The yardstick is a task group that only lets the loop turn, once an operation:
what asyncio itself costs. The loops are measured in turn, TURNS times each, so that a slow spell of the machine meets both.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from benchmarks.pairs import write
from kvcluster import Cluster

TASKS, OPERATIONS, KEYS, ROUNDS, TURNS = 100, 500, 1000, 3, 3
MARK_PER_S, MARK_READY_MS, MARK_IMPORT_MS = 100_000, 50.0, 60.0
LOOPS: tuple[tuple[str, Callable[[], asyncio.AbstractEventLoop]], ...] = (
    ("uvloop", uvloop.new_event_loop),
    ("asyncio", asyncio.new_event_loop),
)


async def _per_s(operation: Callable[[bytes], Awaitable[object]]) -> float:
    """The median of ROUNDS rounds."""
    keys = [b"key/%04d" % number for number in range(KEYS)]

    async def task(first: int) -> None:
        for number in range(first, first + OPERATIONS):
            await operation(keys[number % KEYS])

    rates = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(TASKS):
                group.create_task(task(number * 7))
        rates.append(TASKS * OPERATIONS / (time.perf_counter() - started))
    return statistics.median(rates)


async def _measure() -> dict[str, float]:
    value = b"x" * 256
    async with Cluster(members=1) as cluster:
        client = cluster.client()
        found = {
            "put_per_s": await _per_s(lambda key: client.put(key, value)),
            "get_per_s": await _per_s(client.get),
            "turn_per_s": await _per_s(lambda key: asyncio.sleep(0)),
        }
    gc.collect()  # what the store above leaves is not the members' doing
    started = time.perf_counter()
    async with Cluster(members=3):
        found["three_ready_ms"] = (time.perf_counter() - started) * 1e3
    return found


def _import_ms() -> float:
    """What `import kvcluster` adds to an interpreter that does nothing."""
    code = "import time; t = time.perf_counter(); import kvcluster; print((time.perf_counter() - t) * 1e3)"
    return statistics.median(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(ROUNDS)
    )


def main() -> dict[str, Any]:
    summary: dict[str, Any] = {"work": "embedded", "python": platform.python_version(), "import_ms": _import_ms()}
    turns: dict[str, list[dict[str, float]]] = {name: [] for name, _ in LOOPS}
    for _ in range(TURNS):
        for name, loop in LOOPS:
            with asyncio.Runner(loop_factory=loop) as runner:
                turns[name].append(runner.run(_measure()))
    for name, measured in turns.items():
        found = summary[name] = {figure: statistics.median(turn[figure] for turn in measured) for figure in measured[0]}
        print(
            f"embedded on {name}: {found['put_per_s']:,.0f} puts/s, {found['get_per_s']:,.0f} gets/s, "
            f"three members ready in {found['three_ready_ms']:.1f} ms",
            flush=True,
        )
    write("embedded", summary)
    return summary


def table_rows(summary: dict[str, Any] | None) -> list[str]:
    """For the table of benchmarks/run.py."""
    if summary is None:
        return []
    rows = []
    for name, _ in LOOPS:
        found = summary[name]
        for title, figure in (("puts", "put_per_s"), ("gets", "get_per_s")):
            verdict = "✓" if found[figure] >= MARK_PER_S else "✗"
            rows.append(
                f"| embedded, one member, 100 tasks on {name}: {title} | {found[figure]:,.0f}/s | | | ≥ 100,000/s {verdict} |"
            )
    ready = summary["uvloop"]["three_ready_ms"]
    rows.append(
        f"| embedded, three members ready | {ready:.1f} ms | | | ≤ 50 ms {'✓' if ready <= MARK_READY_MS else '✗'} |"
    )
    import_ms = summary["import_ms"]
    rows.append(
        f"| `import kvcluster` | {import_ms:.1f} ms | | | ≤ 60 ms {'✓' if import_ms <= MARK_IMPORT_MS else '✗'} |"
    )
    return rows


if __name__ == "__main__":
    main()
