"""One worker: its share of a run, in a process of its own or in somebody else's.

    run_share(plan, index, port):  prepare ─▶ "ready" ─▶ waits for "go" ─▶ warm-up ─▶ measured ─▶ its share

What it says and hears goes through a Port, so that the same function runs in a spawned process (workers.py), on a Dask cluster
(dask.py) and in a test.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from kvcluster.load.plan import Plan
from kvcluster.load.recorder import Recorder
from kvcluster.load.workloads import Context, Workload, module_of, processes_of

TICK_S = 1.0


class Port(Protocol):
    """The worker's way to whoever runs the run."""

    def send(self, kind: str, data: Any = None) -> None:
        """kind: "ready", "progress" (operations and errors so far), "tell" (for the other workers)."""
        ...

    async def receive(self) -> tuple[str, Any]:
        """("go", start time of the plan's clock), ("told", data), ("stop", None)."""
        ...


async def run_share(plan: Plan, index: int, port: Port) -> dict[str, Any]:
    """Runs worker `index`; -> its share, as plain JSON. Raises LoadError, ConfigError where it cannot begin."""
    recorder = Recorder()
    context = Context(plan, index, processes_of(plan), recorder, lambda data: port.send("tell", data))
    workload: Workload = module_of(plan.workload).make(context)
    try:
        await workload.prepare()
        port.send("ready")
        go: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        listening = asyncio.ensure_future(_listen(port, context, go))
        try:
            return await _measure(workload, context, port, await go)
        finally:
            listening.cancel()
    finally:
        await workload.close()


async def _listen(port: Port, context: Context, go: asyncio.Future[float]) -> None:
    while True:
        kind, data = await port.receive()
        if kind == "go" and not go.done():
            go.set_result(data)
        elif kind == "told":
            context.heard.put_nowait(data)
        elif kind == "stop":
            context.stop.set()
            if not go.done():
                go.set_result(context.now())


class Meter:
    """From when on it counts: the end of the warm-up, and this process's CPU since."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.begun_s = 0.0
        self._cpu_s = 0.0

    def begin(self) -> None:
        self._context.recorder.begin()
        self.begun_s = self._context.now()
        self._cpu_s = time.process_time()

    def cpu_s(self) -> float:
        return time.process_time() - self._cpu_s


async def _measure(workload: Workload, context: Context, port: Port, start_s: float) -> dict[str, Any]:
    plan, recorder = context.plan, context.recorder
    await asyncio.sleep(max(start_s - context.now(), 0))
    meter = Meter(context)
    meter.begin()
    warm_up_s = plan.warm_up_s if workload.is_timed else 0.0
    if not warm_up_s:
        workload.begin()
    timing = asyncio.ensure_future(_keep_time(workload, context, port, meter, warm_up_s))
    try:
        await workload.run()
    finally:
        timing.cancel()
    ended_s, cpu_s = context.now(), meter.cpu_s()
    span_s = ended_s - meter.begun_s
    return {
        **recorder.share(),
        "unit": workload.unit,
        "begun_s": meter.begun_s,
        "ended_s": ended_s,
        "cpu_s": cpu_s,
        "cpu_share": cpu_s / span_s if span_s > 0 else 0.0,
        "interrupted": context.interrupted,
        "extra": workload.extra(),
    }


async def _keep_time(workload: Workload, context: Context, port: Port, meter: Meter, warm_up_s: float) -> None:
    """The end of the warm-up, a tick a second, the end of the time, and whether answers come at all."""
    plan, recorder, now = context.plan, context.recorder, context.now
    if warm_up_s:
        await asyncio.sleep(warm_up_s)
        meter.begin()
        workload.begin()
    next_s = meter.begun_s
    end_s = meter.begun_s + plan.limit_s if plan.limit_s and workload.is_timed else float("inf")
    done, heard_s = 0, now()
    while True:
        next_s += TICK_S
        await asyncio.sleep(max(min(next_s, end_s) - now(), 0))
        if now() >= end_s:
            context.stop.set()
            return
        recorder.tick()
        if recorder.operations + recorder.errors > done:
            done, heard_s = recorder.operations + recorder.errors, now()
        elif workload.is_timed and now() - heard_s > plan.timeout_s:
            context.interrupt(f"no answer for {plan.timeout_s:g} s")
            return
        port.send("progress", {"operations": recorder.operations, "errors": recorder.errors})
