"""A run: its worker processes, from the first to the last, and what they measured as one Result.

    result = asyncio.run(run_plan(Plan(workload="put", endpoints=["127.0.0.1:2379"], clients=32, conns=4, total=40_000)))
    print(result.throughput, result.latency_ms["p99"])

    spawned ──all ready──▶ go ──▶ running ──shares──▶ done
       │ one fails: LoadError        │ Ctrl-C, a worker that dies: "stop" to the others, and a Result with `interrupted`

Workers are processes of their own even if there is only one, so that drawing a progress bar costs the generator nothing. They end
with this process: each watches its pipe, and is killed if it does not go.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib.metadata
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from kvcluster.errors import KvClusterError
from kvcluster.load.links import LoadError
from kvcluster.load.plan import Plan
from kvcluster.load.result import Result, build_result
from kvcluster.load.worker import run_share
from kvcluster.load.workloads import processes_of

PREPARE_S = 120.0
"""How long the slowest worker may take to connect and to write its keys, per million keys."""
LEAD_S = 0.05
"""From "go" to the start, so that all workers have heard it."""
STOP_S = 10.0
"""How long workers may take to hand in their share after "stop"."""


class Progress(NamedTuple):
    """Once a second. elapsed_s: since the start, warm-up included."""

    elapsed_s: float
    operations: int
    errors: int


OnProgress = Callable[[Progress], object]


async def run_plan(plan: Plan, on_progress: OnProgress | None = None) -> Result:
    """Runs it. Raises LoadError where it cannot begin; what happens later ends in the Result's `interrupted`.

    Cancelling it (Ctrl-C) ends the workers and still answers with a Result of what was measured.
    """
    run = _Run(plan, on_progress or (lambda progress: None))
    try:
        return await run.run()
    finally:
        run.end()


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, plan: Plan, index: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_main, args=(plan.to_dict(), index, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.share: dict[str, Any] | None = None
        self.progress = {"operations": 0, "errors": 0}
        self.is_ready = self.is_over = False

    def send(self, kind: str, data: Any = None) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send((kind, data))


class _Run:
    def __init__(self, plan: Plan, on_progress: OnProgress) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._failure: str | None = None
        self._interrupted: str | None = None
        self._workers: list[_Worker] = []
        self._start_s = 0.0

    async def run(self) -> Result:
        plan = self._plan
        started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        for index in range(processes_of(plan)):
            worker = _Worker(plan, index)
            self._workers.append(worker)
            receive_in_thread(worker.pipe, partial(self._take, worker), partial(self._lose, worker))
        patience_s = PREPARE_S * max(plan.key_space_size / 1e6, plan.streams * plan.watch_per_stream / 1e5, 1)
        try:
            async with asyncio.timeout(patience_s):
                await self._until(lambda: all(worker.is_ready for worker in self._workers))
        except TimeoutError:
            raise LoadError(f"the workers were not ready within {patience_s:.0f} s") from None
        servers = _Servers(plan)
        await self._measure(servers)
        return build_result(
            plan,
            [worker.share for worker in self._workers if worker.share is not None],
            servers=servers.measured(),
            interrupted=self._interrupted,
            started_at=started_at,
            program=program_name(),
        )

    async def _measure(self, servers: _Servers) -> None:
        clock = time.perf_counter if self._plan.clock == "perf_counter" else time.time
        self._start_s = time.perf_counter() + LEAD_S
        for worker in self._workers:
            worker.send("go", clock() + LEAD_S)
        beginning = self._loop.call_later(LEAD_S + self._plan.warm_up_s, servers.begin)
        ticking = asyncio.ensure_future(self._tick())
        try:
            await self._until(self._is_over)
            if self._failure is not None:  # the last one to end was the one that failed
                raise LoadError(self._failure)
        except asyncio.CancelledError:
            self._interrupted = "stopped by the user"
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        except LoadError as error:
            self._interrupted = str(error)
        finally:
            ticking.cancel()
            beginning.cancel()
        servers.end()
        if not self._is_over():
            for worker in self._workers:
                worker.send("stop")
            self._failure = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._until(self._is_over)

    def _is_over(self) -> bool:
        return all(worker.is_over for worker in self._workers)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Raises LoadError when a worker has failed."""
        while not condition():
            if self._failure is not None:
                raise LoadError(self._failure)
            self._changed.clear()
            await self._changed.wait()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            done = [worker.progress for worker in self._workers]
            self._on_progress(
                Progress(
                    time.perf_counter() - self._start_s,
                    sum(each["operations"] for each in done),
                    sum(each["errors"] for each in done),
                )
            )

    def _lose(self, worker: _Worker) -> None:
        """Its process is gone."""
        if worker.share is None and not worker.is_over:
            worker.process.join(1)
            self._failure = f"a worker of the load tester ended (exit code {worker.process.exitcode})"
        worker.is_over = True
        self._changed.set()

    def _take(self, worker: _Worker, kind: str, data: Any) -> None:
        self._changed.set()
        if kind == "ready":
            worker.is_ready = True
        elif kind == "progress":
            worker.progress = data
        elif kind == "tell":
            for other in self._workers:
                if other is not worker:
                    other.send("told", data)
        elif kind == "share":
            worker.share = data
            worker.is_over = True
        elif kind == "failed":
            worker.is_over = True
            self._failure = data

    def end(self) -> None:
        """No process is left behind."""
        for worker in self._workers:
            if worker.share is None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(2)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def receive_in_thread(pipe: Connection, take: Callable[[str, Any], object], lost: Callable[[], object]) -> None:
    """Calls take(kind, data) on this event loop for each message, and lost() at the end; then the pipe is closed.

    A thread, because a message may be larger than the pipe's buffer, and waiting for the rest of it would stop the loop.
    """
    loop = asyncio.get_running_loop()

    def receive() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            try:
                while True:
                    loop.call_soon_threadsafe(take, *pipe.recv())
            except (EOFError, OSError):
                loop.call_soon_threadsafe(lost)
            finally:
                pipe.close()

    threading.Thread(target=receive, daemon=True, name="pipe of a worker").start()


class _Servers:
    """CPU seconds and resident memory of plan.server_pids, from /proc; nothing where the system has none."""

    def __init__(self, plan: Plan) -> None:
        self._pids = plan.server_pids
        self._begun: dict[int, float] = {}
        self._ended: dict[int, tuple[float, float]] = {}
        self.begin()

    def begin(self) -> None:
        self._begun = {pid: usage[0] for pid in self._pids if (usage := _usage(pid)) is not None}

    def end(self) -> None:
        self._ended = {pid: usage for pid in self._pids if (usage := _usage(pid)) is not None}

    def measured(self) -> list[dict[str, float]]:
        return [
            {"pid": pid, "cpu_s": round(cpu_s - self._begun[pid], 3), "rss_mb": round(rss_mb, 1)}
            for pid, (cpu_s, rss_mb) in self._ended.items()
            if pid in self._begun
        ]


def _usage(pid: int) -> tuple[float, float] | None:
    """(user and system CPU seconds of all threads, resident MB)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu_s, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def program_name() -> str:
    try:
        return f"kvcluster {importlib.metadata.version('kvcluster')}"
    except importlib.metadata.PackageNotFoundError:
        return "kvcluster"


# -- in the worker's process --------------------------------------------------------------------------------------------


class _PipePort:
    """worker.Port over a multiprocessing pipe. The parent's end is the end of this process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._received: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        receive_in_thread(pipe, self._take, partial(os._exit, 1))  # without the parent nobody is left to be told

    def _take(self, kind: str, data: Any) -> None:
        self._received.put_nowait((kind, data))

    def send(self, kind: str, data: Any = None) -> None:
        self._pipe.send((kind, data))

    async def receive(self) -> tuple[str, Any]:
        return await self._received.get()


def _main(plan: dict[str, Any], index: int, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which says "stop"
    try:
        import uvloop

        runner: Any = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:  # not on Windows
        runner = asyncio.Runner()
    with runner:
        runner.run(_report(Plan.from_dict(plan), index, pipe))


async def _report(plan: Plan, index: int, pipe: Connection) -> None:
    port = _PipePort(pipe)
    try:
        port.send("share", await run_share(plan, index, port))
    except (KvClusterError, OSError) as error:
        port.send("failed", str(error))
