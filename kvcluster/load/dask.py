"""`--dask ADDRESS`: the same workers on a Dask cluster, where one machine is not enough. The extra `dask`.

Dask places and runs `run_share`, one task a worker; what workers and the run say to each other goes through its queues, so the
cluster needs nothing but this package. Machines have no common clock but the time of day: a run on Dask uses it (plan.clock), so
delivery latencies of watches are as true as the clocks are set. CPU and memory of servers are not read: they are elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import time
import uuid
from collections.abc import Callable
from typing import Any

from kvcluster.errors import ConfigError
from kvcluster.load.links import LoadError
from kvcluster.load.plan import Plan
from kvcluster.load.result import Result, build_result
from kvcluster.load.worker import run_share
from kvcluster.load.workers import Progress, program_name
from kvcluster.load.workloads import processes_of

CONNECT_S = 10
LEAD_S = 1.0
POLL_S = 0.5


class _DaskPort:
    """worker.Port over two queues of the cluster. Runs in a Dask task, where the queues' calls block: they go to threads."""

    def __init__(self, run: str, index: int) -> None:
        from distributed import Queue, get_client

        client = get_client()
        self._index = index
        self._out = Queue(f"{run}-out", client=client)
        self._in = Queue(f"{run}-in-{index}", client=client)

    def send(self, kind: str, data: Any = None) -> None:
        self._out.put([self._index, kind, data])

    async def receive(self) -> tuple[str, Any]:
        kind, data = await asyncio.to_thread(self._in.get)
        return kind, data


def _task(plan: dict[str, Any], run: str, index: int) -> dict[str, Any]:
    """What Dask runs: a share, or {"failed": why}."""

    async def share() -> dict[str, Any]:
        port = _DaskPort(run, index)
        try:
            return await run_share(Plan.from_dict(plan), index, port)
        except (LoadError, ConfigError, OSError) as error:
            return {"failed": str(error)}
        finally:
            port.send("over")

    return asyncio.run(share())


async def run_on_dask(plan: Plan, address: str, on_progress: Callable[[Progress], object]) -> Result:
    """As workers.run_plan. Raises LoadError where the cluster cannot be reached or a worker cannot begin."""
    try:
        from distributed import Client, Queue
    except ImportError as error:
        raise ConfigError("--dask needs the package distributed: pip install 'kvcluster[dask]'") from error
    try:
        client = await Client(address, asynchronous=True, timeout=CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise LoadError(f"no Dask scheduler at {address}: {error}") from error
    async with client:
        run = f"kvcluster-bench-{uuid.uuid4().hex}"
        count = processes_of(plan)
        said = Queue(f"{run}-out", client=client)
        told = [Queue(f"{run}-in-{index}", client=client) for index in range(count)]
        await asyncio.gather(said, *told)
        tasks = [
            client.submit(_task, plan.to_dict(), run, index, key=f"{run}-{index}", pure=False, retries=0)
            for index in range(count)
        ]
        return await _Conversation(plan, said, told, tasks, on_progress).hold()


class _Conversation:
    """What the run says to its workers, and hears from them."""

    def __init__(
        self, plan: Plan, said: Any, told: list[Any], tasks: list[Any], on_progress: Callable[[Progress], object]
    ) -> None:
        self._plan = plan
        self._said = said
        self._told = told
        self._tasks = tasks
        self._on_progress = on_progress
        self._ready = self._over = 0
        self._start_s = 0.0
        self._progress: dict[int, dict[str, int]] = {}
        self._hearing: asyncio.Future[Any] | None = None

    async def hold(self) -> Result:
        started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        interrupted = None
        try:
            while self._over < len(self._tasks):
                await self._hear()
        except asyncio.CancelledError:
            interrupted = "stopped by the user"
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            await self._tell_all("stop")
        shares = await asyncio.gather(*self._tasks)
        failed = [share["failed"] for share in shares if "failed" in share]
        if failed:
            raise LoadError(failed[0])
        return build_result(self._plan, shares, interrupted=interrupted, started_at=started_at, program=program_name())

    async def _hear(self) -> None:
        if self._hearing is None:
            self._hearing = asyncio.ensure_future(self._said.get())
        await asyncio.wait([self._hearing], timeout=POLL_S)
        if not self._hearing.done():
            if any(task.status in ("error", "lost", "cancelled") for task in self._tasks):
                raise LoadError("a Dask worker was lost")
            return
        (index, kind, data), self._hearing = self._hearing.result(), None
        if kind == "ready":
            self._ready += 1
            if self._ready == len(self._tasks):
                self._start_s = time.time() + LEAD_S
                await self._tell_all("go", self._start_s)
        elif kind == "tell":
            for other, queue in enumerate(self._told):
                if other != index:
                    await queue.put(["told", data])
        elif kind == "progress":
            self._progress[index] = data
            if index == 0:
                done = self._progress.values()
                self._on_progress(
                    Progress(
                        time.time() - self._start_s,
                        sum(each["operations"] for each in done),
                        sum(each["errors"] for each in done),
                    )
                )
        elif kind == "over":
            self._over += 1
            await self._told[index].put(["stop", None])  # it listens until it hears this
            if self._over > self._ready:  # it failed before the start: nobody else may wait for it
                await self._tell_all("stop")

    async def _tell_all(self, kind: str, data: Any = None) -> None:
        for queue in self._told:
            with contextlib.suppress(OSError):
                await queue.put([kind, data])
