"""The scheduler: informers in, bindings out. A client of an API server, ours or a real one, and nothing else of it.

One task runs cycles, one pod at a time, each on a snapshot (cycle.py); a chosen pod is assumed at once (cache.py), and its
binding runs in a task of its own, so the next cycle need not wait for the API server. At most MAX_BINDINGS bind at a time.

    informers ─▶ queue ─pop▶ schedule ─▶ assume ─▶ reserve ─▶ permit ─▶ task: pre_bind ─▶ bind ─▶ post_bind
                   ▲            │ no node                                 │ refused
                   └── park ◀───┴──────────────────◀── forget, unreserve ─┘

A pod that cannot be placed gets the condition PodScheduled=False (reason Unschedulable) and an event FailedScheduling; the
texts are kube-scheduler's. Time and timers come from the injected clock.
"""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import Any

from apiserver.client import Client, EventRecorder, InformerFactory, LoopClock, TimerClock
from apiserver.errors import StatusError
from apiserver.meta import format_time
from apiserver.scheduler.cache import Cache
from apiserver.scheduler.config import SchedulerConfig, build_profile
from apiserver.scheduler.cycle import Decision, schedule
from apiserver.scheduler.framework import Code, Status, error
from apiserver.scheduler.pod_info import PodInfo
from apiserver.scheduler.profile import PluginError, Profile
from apiserver.scheduler.queue import ANY_EVENT, QueuedPod, SchedulingQueue

log = logging.getLogger(__name__)

MAX_BINDINGS = 64
Key = tuple[str, str]


class Scheduler:
    """`await run()` until cancelled. `allow`/`reject` answer for pods that a permit plugin holds."""

    def __init__(
        self,
        client: Client,
        config: SchedulerConfig | None = None,
        *,
        clock: TimerClock | None = None,
        informers: InformerFactory | None = None,
    ) -> None:
        self._client = client
        self._config = config = config or SchedulerConfig()
        self._clock: TimerClock = clock or LoopClock()
        self.profiles = {profile.name: build_profile(profile, client) for profile in config.profiles}
        first = next(iter(self.profiles.values()))
        if any(p.points["sort_key"][0][0] != first.points["sort_key"][0][0] for p in self.profiles.values()):
            raise PluginError("all profiles share one queue, so they need the same sort_key plugin")
        self.cache = Cache()
        self.queue = SchedulingQueue(
            self._clock,
            first.points["sort_key"][0][1],
            lambda info: not self._profile(info).gate(info).ok,
            initial_backoff_s=config.initial_backoff_s,
            max_backoff_s=config.max_backoff_s,
            max_unschedulable_s=config.max_unschedulable_s,
        )
        self._informers = informers or InformerFactory(client, self._clock)
        self._recorder = EventRecorder(client, component="default-scheduler", clock=self._clock)
        self._dice = Random(config.seed)
        self._start_node = 0
        self._wake = asyncio.Event()
        self._bindings: dict[Key, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(MAX_BINDINGS)
        self._permits: dict[Key, asyncio.Future[Status]] = {}
        self._reports: dict[Key, str] = {}

    def _profile(self, info: PodInfo) -> Profile:
        return self.profiles[info.scheduler_name]

    def _is_ours(self, info: PodInfo) -> bool:
        return info.scheduler_name in self.profiles and not info.is_terminating and not info.is_finished

    # ---- what the watches say ----

    def _happened(self, event: str) -> None:
        self.queue.happened(event)
        self._wake.set()

    def _on_pod(self, pod: dict[str, Any], event: str) -> None:
        info = PodInfo(pod)
        if info.node_name:
            self.queue.remove(info.key)
            self._reports.pop(info.key, None)
            was = self.cache.node_of(info.key)
            self.cache.set_pod(info)
            gone = was is not None and self.cache.node_of(info.key) is None
            self._happened("Pod/Delete" if gone else event)
        elif self._is_ours(info) and not self.cache.is_assumed(info.key):
            self.queue.add(info)
            self._wake.set()

    def _on_pod_deleted(self, pod: dict[str, Any]) -> None:
        key = (pod["metadata"].get("namespace", ""), pod["metadata"]["name"])
        self.queue.remove(key)
        self._reports.pop(key, None)
        if key in self._permits:
            self.reject(key, "pod was deleted")
        self.cache.remove_pod(key)
        self._happened("Pod/Delete")

    def _on_node(self, node: dict[str, Any], event: str) -> None:
        self.cache.set_node(node)
        self._happened(event)

    def _on_node_deleted(self, node: dict[str, Any]) -> None:
        self.cache.remove_node(node["metadata"]["name"])
        self._happened("Node/Delete")

    # ---- the loop ----

    async def run(self) -> None:
        """Lists, watches and schedules until cancelled; bindings under way are cancelled with it."""
        nodes = self._informers.informer("nodes")
        pods = self._informers.informer("pods")
        nodes.add_handler(
            on_add=lambda node: self._on_node(node, "Node/Add"),
            on_update=lambda old, node: self._on_node(node, "Node/Update"),
            on_delete=self._on_node_deleted,
        )
        pods.add_handler(
            on_add=lambda pod: self._on_pod(pod, "Pod/Add"),
            on_update=lambda old, pod: self._on_pod(pod, "Pod/Update"),
            on_delete=self._on_pod_deleted,
        )
        try:
            async with self._informers:
                await nodes.synced()
                await pods.synced()
                await self._loop()
        finally:
            for task in self._bindings.values():
                task.cancel()
            await asyncio.gather(*self._bindings.values(), return_exceptions=True)
            await self._recorder.close()

    async def _loop(self) -> None:
        while True:
            self._wake.clear()
            queued = self.queue.pop()
            if queued is None:
                await self._wait(self._wake, self.queue.next_due_s())
                continue
            await self._room.acquire()
            if not self.schedule_one(queued):
                self._room.release()
            await asyncio.sleep(0)  # let watches and bindings in between two pods

    async def _wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        """Until the event is set, or `timeout_s` seconds of the clock have passed (then it is set as well)."""
        timer = self._clock.call_later(timeout_s, event.set) if timeout_s is not None else None
        try:
            await event.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def schedule_one(self, queued: QueuedPod) -> bool:
        """One pod's synchronous part. True: a binding task was started (it releases its place in `_room`)."""
        info = queued.info
        profile = self._profile(info)
        decision = schedule(profile, info, self.cache.snapshot(), self._start_node, self._dice.randrange)
        self._start_node += decision.looked_at
        if decision.node_name is None:
            self._park(queued, profile, decision)
            return False
        self.cache.assume(info, decision.node_name)
        status = self._reserve(profile, decision, info)
        if not status.ok and status.code is not Code.WAIT:
            self._undo(queued, profile, decision, status)
            return False
        task = asyncio.get_running_loop().create_task(self._bind(queued, profile, decision, status))
        self._bindings[info.key] = task
        task.add_done_callback(lambda _: self._bound(info.key, task))
        return True

    def _bound(self, key: Key, task: asyncio.Task[None]) -> None:
        self._room.release()
        if self._bindings.get(key) is task:
            del self._bindings[key]
        self._wake.set()

    def _reserve(self, profile: Profile, decision: Decision, info: PodInfo) -> Status:
        waiting = Status(Code.SUCCESS)
        for point in ("reserve", "permit"):
            for name, method in profile.points[point]:
                try:
                    status: Status = method(decision.state, info, decision.node_name)
                except Exception as cause:
                    status = error(f"{type(cause).__name__}: {cause}")
                if status.code is Code.WAIT:
                    waiting = status._replace(plugin=name)
                elif not status.ok:
                    return status._replace(plugin=name)
        return waiting

    def _undo(self, queued: QueuedPod, profile: Profile, decision: Decision, status: Status) -> None:
        for name, method in reversed(profile.points["unreserve"]):
            try:
                method(decision.state, queued.info, decision.node_name)
            except Exception:
                log.exception("plugin %s: unreserve of %s", name, queued.info.name)
        self.cache.forget(queued.info.key)
        refused_by = (status.plugin,) if status.refused else ()
        self._park(queued, profile, Decision(None, {}, status.reason, refused_by, failed=not status.refused))
        self._happened("Pod/Delete")

    async def _bind(self, queued: QueuedPod, profile: Profile, decision: Decision, status: Status) -> None:
        info, node_name = queued.info, decision.node_name
        assert node_name is not None
        try:
            if status.code is Code.WAIT:
                status = await self._hold(info.key, status)
            if status.ok:
                status = await self._run_binding(profile, decision, info, node_name)
        except asyncio.CancelledError:
            raise
        except Exception as cause:
            log.exception("binding %s to %s", info.name, node_name)
            status = error(f"{type(cause).__name__}: {cause}")
        if not status.ok:
            self._undo(queued, profile, decision, status)
            return
        self.queue.done(info.key)
        self._recorder.event(
            info.pod, "Normal", "Scheduled", f"Successfully assigned {info.name} to {node_name}", action="Binding"
        )

    async def _run_binding(self, profile: Profile, decision: Decision, info: PodInfo, node_name: str) -> Status:
        for name, method in profile.points["pre_bind"]:
            status: Status = await method(decision.state, info, node_name)
            if not status.ok:
                return status._replace(plugin=name)
        for name, method in profile.points["bind"]:
            status = await method(decision.state, info, node_name)
            if status.code is Code.SKIP:
                continue
            if not status.ok:
                return status._replace(plugin=name)
            break
        else:
            return error("no bind plugin took the pod")
        for _, method in profile.points["post_bind"]:
            await method(decision.state, info, node_name)
        return status

    # ---- permits ----

    async def _hold(self, key: Key, status: Status) -> Status:
        answer: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._permits[key] = answer
        answered = asyncio.Event()
        answer.add_done_callback(lambda _: answered.set())
        try:
            await self._wait(answered, status.timeout_s or None)
            if answer.done():
                return answer.result()
            return Status(Code.UNSCHEDULABLE, "timed out waiting for a permit", status.plugin)
        finally:
            del self._permits[key]

    def allow(self, key: Key) -> None:
        """Lets a pod that a permit plugin holds go on to binding. No-op for others."""
        answer = self._permits.get(key)
        if answer is not None and not answer.done():
            answer.set_result(Status(Code.SUCCESS))

    def reject(self, key: Key, reason: str) -> None:
        """Refuses a held pod; it returns to the queue."""
        answer = self._permits.get(key)
        if answer is not None and not answer.done():
            answer.set_result(Status(Code.UNSCHEDULABLE, reason))

    # ---- refusals ----

    def _park(self, queued: QueuedPod, profile: Profile, decision: Decision) -> None:
        helped_by = (ANY_EVENT,) if decision.failed else tuple(profile.events_of(decision.refused_by))
        self.queue.park(queued, helped_by)
        if decision.failed:
            log.warning("pod %s: %s", queued.info.name, decision.reason)
        if self._reports.get(queued.info.key) != decision.reason:
            self._reports[queued.info.key] = decision.reason
            asyncio.get_running_loop().create_task(self._report(queued.info, decision))

    async def _report(self, info: PodInfo, decision: Decision) -> None:
        reason = "SchedulerError" if decision.failed else "Unschedulable"
        self._recorder.event(info.pod, "Warning", "FailedScheduling", decision.reason, action="Scheduling")
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": decision.reason,
            "lastProbeTime": None,
            "lastTransitionTime": format_time(self._clock.now_s()),
        }
        status: dict[str, Any] = {"conditions": [condition]}
        if decision.nominated:
            status["nominatedNodeName"] = decision.nominated
        try:
            await self._client.patch_status("pods", info.key[1], {"status": status}, namespace=info.key[0])
        except StatusError as refusal:
            if refusal.reason != "NotFound":
                log.warning("pod %s: status: %s", info.name, refusal.message)
