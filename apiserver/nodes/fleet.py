"""A fleet of simulated nodes: pods that are bound to one of them come to life, and go, as the stages say.

    pod event ─► first stage that matches ─► wait its delay ─► still matches? ─► status patch or DELETE ─► next event …

One informer of all bound pods, one of nodes, one queue of pods and one of heartbeats, each with a few workers: the cost is in
what happens, not in how many nodes there are. There are no containers: what a stage says is all that a pod does.

A client of an API server, ours or any. Of the kubelet's own API there are the logs (kubelet_server, container_logs). What it
does not do: run anything, check that a pod fits the node, mount, probe, restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, NamedTuple

from apiserver.client import (
    Client,
    InformerFactory,
    LoopClock,
    Object,
    ServerUnreachableError,
    TimerClock,
    WorkQueue,
    key_of,
    resource_name,
)
from apiserver.errors import StatusError
from apiserver.meta import format_time
from apiserver.nodes.addresses import MAX_NODES
from apiserver.nodes.container_logs import ContainerLogs
from apiserver.nodes.kubelet_server import KubeletServer
from apiserver.nodes.kubelets import Kubelet, Kubelets
from apiserver.nodes.node_objects import NODES, NodeShape
from apiserver.nodes.readiness import readiness_of
from apiserver.nodes.stages import RESTARTABLE, Stage, delay_s, delay_said, find_stage, load_stages, matches, render

log = logging.getLogger(__name__)

PODS = resource_name("pods")
POD_WORKERS = 32
HEARTBEAT_WORKERS = 8
_NODE_INDEX = "node"
CONTAINER_FIELDS = ("containers", "initContainers", "ephemeralContainers")
EXIT_CODE = "nodes.kvcluster/exit-code"
TERMINATION_MESSAGE = "nodes.kvcluster/termination-message"


class _Pending(NamedTuple):
    """A pod that waits for its stage."""

    uid: str
    stage: Stage
    due_s: float
    said: str | None


class Fleet:
    """`await run()` registers `count` nodes and plays until cancelled.

    stages: from `load_stages`; None = the default set. seed: of every jitter. Raises ValueError for an impossible count.
    """

    def __init__(
        self,
        client: Client,
        count: int,
        stages: list[Stage] | None = None,
        clock: TimerClock | None = None,
        *,
        name_prefix: str = "node-",
        shape: NodeShape | None = None,
        seed: int = 0,
    ) -> None:
        if not 0 <= count <= MAX_NODES:
            raise ValueError(f"a fleet has at least 0 and at most {MAX_NODES} nodes, not {count}")
        self._client = client
        self._clock: TimerClock = clock if clock is not None else LoopClock()
        self._stages = stages if stages is not None else load_stages()
        self._dice = Random(seed)
        self._informers = InformerFactory(client, self._clock)
        self._pods = self._informers.informer(PODS, field_selector="spec.nodeName!=")
        names = [f"{name_prefix}{index}" for index in range(count)]
        nodes = self._informers.informer(NODES)
        self._kubelets = Kubelets(client, self._clock, nodes, names, shape or NodeShape(), seed)
        self._pods.store.add_index(_NODE_INDEX, lambda pod: (pod["spec"].get("nodeName") or "",))
        nodes.add_handler(on_add=self._node_added)
        self._queue: WorkQueue[str] = WorkQueue(self._clock, base_delay_s=0.05, max_delay_s=30.0)
        self._pending: dict[str, _Pending] = {}
        self._logs = ContainerLogs(self._clock.now_s)
        self._server = KubeletServer(self._find_pod, self._logs, self._clock.now_s)
        self.registered = asyncio.Event()

    async def run(self) -> None:
        """Registers the nodes, then plays stages and beats hearts until cancelled."""
        await self._server.start()
        try:
            self._kubelets.endpoint = (self._server.url, self._server.port)
            await self._kubelets.register()
            self.registered.set()
            self._pods.add_handler(
                on_add=self._pod_changed, on_update=lambda old, pod: self._pod_changed(pod), on_delete=self._pod_gone
            )
            async with self._informers:
                await self._work_on()
        finally:
            await self._server.stop()

    async def _work_on(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(POD_WORKERS):
                    group.create_task(_work(self._queue, self._play))
                for _ in range(HEARTBEAT_WORKERS):
                    group.create_task(_work(self._kubelets.queue, self._kubelets.heartbeat))
        finally:
            self._queue.close()
            self._kubelets.queue.close()

    def _find_pod(self, namespace: str, name: str) -> Object | None:
        pod = self._pods.get(name, namespace)
        return None if pod is None or self._kubelets.find(pod["spec"].get("nodeName") or "") is None else pod

    # ------------------------------------------------------------------------------------------------ events

    def _node_added(self, node: Object) -> None:
        """A node that somebody put back has pods that nobody has looked after meanwhile."""
        for pod in self._pods.store.by_index(_NODE_INDEX, node["metadata"]["name"]):
            self._pod_changed(pod)

    def _pod_changed(self, pod: Object) -> None:
        kubelet = self._kubelets.find(pod["spec"].get("nodeName") or "")
        if kubelet is None:
            return
        self._logs.pod_changed(pod)
        key, uid = key_of(pod), pod["metadata"]["uid"]
        address = (pod.get("status") or {}).get("podIP")
        if address and not pod["spec"].get("hostNetwork"):
            kubelet.pods.adopt(uid, address)
        stage = find_stage(self._stages, pod)
        pending = self._pending.get(key)
        if stage is None:
            self._pending.pop(key, None)
        elif (
            pending is None
            or (pending.uid, pending.said) != (uid, delay_said(stage, pod))
            or pending.stage is not stage
        ):
            wait_s = delay_s(stage, pod, self._dice.random)
            self._pending[key] = _Pending(uid, stage, self._clock.monotonic_s() + wait_s, delay_said(stage, pod))
            self._queue.add_after(key, wait_s)

    def _pod_gone(self, pod: Object) -> None:
        self._pending.pop(key_of(pod), None)
        self._logs.pod_gone(pod)
        kubelet = self._kubelets.find(pod["spec"].get("nodeName") or "")
        if kubelet is not None:
            kubelet.pods.release(pod["metadata"]["uid"])

    # ------------------------------------------------------------------------------------------------ playing

    async def _play(self, key: str) -> None:
        """Plays the pod's pending stage, if it is due and the pod still matches. Raises where the server refused."""
        pending = self._pending.get(key)
        if pending is None:
            return
        early_s = pending.due_s - self._clock.monotonic_s()
        if early_s > 1e-6:  # the key was queued for an earlier stage
            self._queue.add_after(key, early_s)
            return
        namespace, _, name = key.partition("/")
        pod = self._pods.get(name, namespace)
        # Taken out before the call, for the call's own event may come before its answer and bring the next stage.
        del self._pending[key]
        if pod is None or pod["metadata"]["uid"] != pending.uid or not matches(pending.stage, pod):
            return
        kubelet = self._kubelets.find(pod["spec"]["nodeName"])
        if kubelet is None:
            return
        try:
            if pending.stage.delete:
                await self._client.delete(PODS, name, namespace, grace_period_s=0, uid=pending.uid)
            else:
                patch = {"metadata": {"uid": pending.uid}, "status": self._status(pending.stage, pod, kubelet)}
                await self._client.patch_status(PODS, name, patch, namespace)
        except StatusError as error:
            # Gone already, or another pod of that name by now: its own event brings its own stage.
            if error.reason not in ("NotFound", "Conflict"):
                self._pending.setdefault(key, pending)
                raise
        except ServerUnreachableError:
            self._pending.setdefault(key, pending)
            raise

    def _status(self, stage: Stage, pod: Object, kubelet: Kubelet) -> Any:
        uid = pod["metadata"]["uid"]
        host_network = bool(pod["spec"].get("hostNetwork"))
        now = format_time(self._clock.now_s())
        ready = readiness_of(pod)
        values = {
            "ready": ready.status,
            "readyReason": ready.reason,
            "readyMessage": ready.message,
            "now": now,
            "hostIP": kubelet.address,
            "nodeName": kubelet.name,
            "generation": pod["metadata"].get("generation", 1),
            "podIP": kubelet.address if host_network else kubelet.pods.take(uid),
            "finalPhase": "Failed" if exit_code_of(pod) else "Succeeded",
            "finalReason": "PodFailed" if exit_code_of(pod) else "PodCompleted",
        }
        containers = {field: _container_values(pod, field, now) for field in CONTAINER_FIELDS}
        status = render(stage.status, values, containers)
        _keep_times(status, pod.get("status") or {})
        return status


def exit_code_of(pod: Object) -> int:
    """What the pod says that its containers end with; 0 where it says nothing, or nonsense."""
    text = (pod["metadata"].get("annotations") or {}).get(EXIT_CODE, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _container_values(pod: Object, field: str, now: str) -> list[dict[str, Any]]:
    """The values of each container's variables. Its id is made of the pod's uid and its name: the same each time."""
    status = pod.get("status") or {}
    statuses = [
        found
        for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for found in status.get(kind) or ()
    ]
    known = {container["name"]: container for container in statuses}
    code = exit_code_of(pod)
    message = (pod["metadata"].get("annotations") or {}).get(TERMINATION_MESSAGE, "")
    made = []
    for container in pod["spec"].get(field) or ():
        state = (known.get(container["name"]) or {}).get("state") or {}
        running = state.get("running") or state.get("terminated") or {}
        image = container.get("image", "")
        made.append(
            {
                "container.name": container["name"],
                "container.image": image,
                "container.id": f"simulated://{pod['metadata']['uid']}/{container['name']}",
                "container.imageID": f"simulated://{image}",
                "container.startedAt": running.get("startedAt", now),
                "container.resources": container.get("resources") or {},
                "container.allocated": (container.get("resources") or {}).get("requests") or "",
                "container.exitCode": code,
                "container.exitReason": "Error" if code else "Completed",
                "container.exitMessage": message,
                RESTARTABLE: field == "initContainers" and container.get("restartPolicy") == "Always",
            }
        )
    return made


def _keep_times(status: Any, before: Object) -> None:
    """A condition whose status stays keeps the time of its last transition, and a pod starts once."""
    known = {condition["type"]: condition for condition in before.get("conditions") or ()}
    for condition in status.get("conditions") or ():
        old = known.get(condition["type"])
        if old is not None and old.get("status") == condition["status"] and old.get("lastTransitionTime"):
            condition["lastTransitionTime"] = old["lastTransitionTime"]
    if "startTime" in status and before.get("startTime"):
        status["startTime"] = before["startTime"]


async def _work(queue: WorkQueue[str], play: Callable[[str], Awaitable[None]]) -> None:
    while True:
        key = await queue.get()
        try:
            await play(key)
        except (StatusError, ServerUnreachableError) as error:
            log.debug("%s: %s", key, error)
            queue.add_rate_limited(key)
        except Exception:
            log.exception("%s", key)
            queue.add_rate_limited(key)
        else:
            queue.forget(key)
        finally:
            queue.done(key)
