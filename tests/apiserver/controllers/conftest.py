"""A world for controllers: the real API server over the embedded store, in process, and a clock moved by hand.

Pods become ready, fail and go when a test says so: `world.ready(…)`, `world.finish(…)`, `world.let_go()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from apiserver.client import Client, ManualTimerClock
from apiserver.config import ApiServerConfig
from apiserver.controllers import ControllerManager
from apiserver.errors import StatusError
from apiserver.meta import format_time
from apiserver.server import ApiServer
from kvcluster.cluster import Cluster

Object = dict[str, Any]


class World:
    """Short words for the tests. Everything lives in the namespace default unless it says otherwise."""

    def __init__(self, client: Client, clock: ManualTimerClock) -> None:
        self.client, self.clock = client, clock
        self.managers: list[ControllerManager] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, *names: str, **options: Any) -> ControllerManager:
        """Starts those controllers for the length of the test."""
        manager = ControllerManager(self.client, self.clock, names, **options)
        self.managers.append(manager)
        self._tasks.append(asyncio.create_task(manager.run()))
        return manager

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results

    async def until(self, holds: Callable[[], Any], *, step_s: float = 0.0, turns: int = 400) -> Any:
        """Lets tasks run, and time by steps, until `holds()` (awaited if it is a coroutine) is true; answers it."""
        found = None
        for _ in range(turns):
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await self.turn()
            self.clock.advance(step_s)
        raise AssertionError(f"it did not come to pass: {found!r}")

    async def turn(self, count: int = 30) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Until nothing moves: no controller has work now. Time for a first retry after a conflict passes meanwhile."""
        for _ in range(20):
            await self.turn(60)
            self.clock.advance(0.006)
            if all(manager.is_idle() for manager in self.managers):
                await self.turn(60)
                if all(manager.is_idle() for manager in self.managers):
                    return

    # ---- reading

    async def all(self, resource: str, namespace: str | None = "default", selector: str = "") -> list[Object]:
        return (await self.client.list_all(resource, namespace, label_selector=selector))[0]

    async def names(self, resource: str, namespace: str | None = "default") -> list[str]:
        return sorted(obj["metadata"]["name"] for obj in await self.all(resource, namespace))

    async def one(self, resource: str, name: str, namespace: str | None = "default") -> Object:
        return await self.client.get(resource, name, namespace)

    async def pods(self, namespace: str = "default") -> dict[str, Object]:
        """By name; those on their way out too."""
        return {pod["metadata"]["name"]: pod for pod in await self.all("pods", namespace)}

    async def living(self) -> dict[str, Object]:
        return {name: pod for name, pod in (await self.pods()).items() if "deletionTimestamp" not in pod["metadata"]}

    async def events(self) -> list[tuple[str, str]]:
        """(reason, message)"""
        for manager in self.managers:
            for recorder in manager.recorders:
                await recorder.flushed()
        return [(event["reason"], event["message"]) for event in await self.all("events")]

    # ---- pods, as a kubelet would have it

    async def ready(self, *names: str) -> None:
        """These pods, or all that live, run and are ready."""
        for name in names or tuple(await self.living()):
            now = format_time(self.clock.now_s())
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
            await self.set_status(name, {"phase": "Running", "conditions": [ready]})

    async def finish(self, *names: str, code: int = 0, conditions: Iterable[Object] = ()) -> None:
        """The pods' only containers end with this exit code."""
        for name in names:
            pod = await self.one("pods", name)
            container = pod["spec"]["containers"][0]["name"]
            now = format_time(self.clock.now_s())
            ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": now}
            status: Object = {
                "phase": "Failed" if code else "Succeeded",
                "containerStatuses": [
                    {"name": container, "image": "i", "imageID": "", "ready": False, "restartCount": 0}
                    | {"state": {"terminated": ended}}
                ],
            }
            unready = {"type": "Ready", "status": "False", "lastTransitionTime": now}
            status["conditions"] = [unready, *conditions]
            await self.set_status(name, status)

    async def set_status(self, name: str, status: Object) -> None:
        try:
            await self.client.patch_status("pods", name, {"status": status}, "default")
        except StatusError as error:
            assert error.reason == "NotFound"  # a controller was faster

    async def let_go(self) -> None:
        """Pods that are to be deleted are gone."""
        for name, pod in (await self.pods()).items():
            if "deletionTimestamp" in pod["metadata"]:
                await self.client.delete("pods", name, "default", grace_period_s=0)


@pytest.fixture
async def world(clock: ManualTimerClock) -> AsyncIterator[World]:
    cluster = Cluster(members=1)
    await cluster.start()
    server = ApiServer(ApiServerConfig(port=0, compaction_interval_s=0), cluster.client(), clock)
    try:
        await server.start()
        world = World(Client(server.in_process_transport(), clock=clock), clock)
        yield world
        await world.stop()
    finally:
        await server.stop()
        await cluster.stop()


@pytest.fixture
async def run(client, clock) -> AsyncIterator:
    """`run(*names)` starts those controllers for the length of the test."""
    tasks = []

    def start(*names: str, **options) -> ControllerManager:
        manager = ControllerManager(client, clock, names, **options)
        tasks.append(asyncio.create_task(manager.run()))
        return manager

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
