"""What can be run: a table of workloads, one file each, loaded when asked for.

A workload is made from a Context in each worker process, and lives there:

    make(context) ─▶ prepare() ─▶ ready ─▶ [go] ─▶ run() ─▶ extra() ─▶ close()
                     connects, writes keys          until it is done, or context.stop is set

Its module may also say `processes(plan)`, how many worker processes it takes (default: plan.workers), and `merge(shares)`, what
its `extra()`s of all workers come to: the "watch" block of the result.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from kvcluster.load.plan import Plan
from kvcluster.load.recorder import Recorder

_MODULES = {
    "put": "put",
    "range": "range",
    "txn": "txn",
    "mixed": "mixed",
    "lease": "lease",
    "watch": "watch",
    "watch-latency": "watch_latency",
    "kube-watch": "kube_watch",
}
WORKLOADS = tuple(_MODULES)


class Context:
    """What a workload is given. tell(data): to all other workers of the run; `heard` has what they told (plain values)."""

    def __init__(
        self, plan: Plan, index: int, processes: int, recorder: Recorder, tell: Callable[[Any], object]
    ) -> None:
        self.plan = plan
        self.index = index
        self.processes = processes
        self.recorder = recorder
        self.tell = tell
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.stop = asyncio.Event()
        self.interrupted: str | None = None
        self.now: Callable[[], float] = time.perf_counter if plan.clock == "perf_counter" else time.time
        """Seconds; one clock for all workers of the run."""
        self.now_ns: Callable[[], int] = time.perf_counter_ns if plan.clock == "perf_counter" else time.time_ns

    def interrupt(self, reason: str) -> None:
        """The run cannot go on: it ends with what was measured until now."""
        if self.interrupted is None:
            self.interrupted = reason
        self.stop.set()


class Workload(Protocol):
    unit: str
    """Of one operation, in the plural: "puts"."""
    is_timed: bool
    """Whether the plan's warm-up and duration hold for it; otherwise it ends by itself."""

    async def prepare(self) -> None:
        """Raises LoadError."""
        ...

    async def run(self) -> None: ...

    def begin(self) -> None:
        """The warm-up is over; the recorder was just emptied."""
        ...

    def extra(self) -> dict[str, Any]:
        """What the share carries beside the recorder's, as plain JSON; {} for most."""
        ...

    async def close(self) -> None: ...


def module_of(workload: str) -> ModuleType:
    """Its module, which has `make(context) -> Workload`. Raises KeyError."""
    return importlib.import_module(f"kvcluster.load.workloads.{_MODULES[workload]}")


def processes_of(plan: Plan) -> int:
    processes = getattr(module_of(plan.workload), "processes", None)
    return int(processes(plan)) if processes is not None else plan.workers
