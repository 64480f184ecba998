"""The node half of a fleet: registers nodes, renews their leases, says that they are well.

One work queue for all nodes, not a task for each: a node's key comes round every RENEW_INTERVAL_S (with a jitter that spreads
the fleet over the interval), and each time the lease is renewed by a compare-and-swap that needs no read, since the last
answer is kept. A conflict or a lost lease is read again.

A node whose object somebody deletes is let go: it is not registered again, its lease is not renewed and its pods are
left to the pod garbage collector, as with a machine that was taken away. Creating a Node of that name brings it back.
A node that the node lifecycle controller has declared Unknown says again that it is Ready.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from random import Random

from apiserver.client import Client, Informer, Object, ServerUnreachableError, TimerClock, WorkQueue
from apiserver.errors import StatusError
from apiserver.meta import format_micro_time
from apiserver.nodes.addresses import PodAddresses, node_address, pod_network
from apiserver.nodes.kubelet_server import URL_ANNOTATION
from apiserver.nodes.node_objects import (
    LEASE_NAMESPACE,
    LEASES,
    NODES,
    RENEW_INTERVAL_S,
    NodeShape,
    build_conditions,
    build_lease,
    build_node,
    build_status,
)

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 300.0
"""A node's status is written at least so often, though nothing changed: the kubelet's nodeStatusReportFrequency."""
REGISTRATIONS = 16
"""So many nodes are registered at the same time."""
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 7.0


class Kubelet:
    """What the fleet remembers of one node."""

    __slots__ = ("address", "index", "lease", "name", "present", "pods", "reported_s", "uid")

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self.address = node_address(index)
        self.pods = PodAddresses(pod_network(index))
        self.present = False
        self.reported_s = 0.0
        self.uid = ""
        self.lease: Object | None = None


class Kubelets:
    """All nodes of a fleet. `queue` is worked by the fleet, which calls `heartbeat` for each key.

    endpoint: (URL, port) of the fleet's kubelet_server, which the nodes tell of; to be set before they are registered.
    """

    def __init__(
        self, client: Client, clock: TimerClock, nodes: Informer, names: Iterable[str], shape: NodeShape, seed: int
    ) -> None:
        self._client = client
        self._clock = clock
        self._nodes = nodes
        self._shape = shape
        self._dice = Random(seed)
        self._kubelets = {name: Kubelet(name, index) for index, name in enumerate(names)}
        self.endpoint = ("", 10250)
        self.queue: WorkQueue[str] = WorkQueue(clock, base_delay_s=FIRST_RETRY_S, max_delay_s=LAST_RETRY_S)
        nodes.add_handler(
            on_add=self._node_seen, on_update=lambda old, node: self._node_seen(node), on_delete=self._node_deleted
        )

    def find(self, name: str) -> Kubelet | None:
        """The node, if it is one of the fleet and its object exists."""
        kubelet = self._kubelets.get(name)
        return kubelet if kubelet is not None and kubelet.present else None

    async def register(self) -> None:
        """Registers every node, a few at a time, and waits for an API server that is only just starting.

        Raises StatusError for a refusal that waiting does not cure (not allowed, not valid).
        """
        room = asyncio.Semaphore(REGISTRATIONS)

        async def one(kubelet: Kubelet) -> None:
            async with room:
                await self._register_patiently(kubelet)

        async with asyncio.TaskGroup() as group:
            for kubelet in self._kubelets.values():
                group.create_task(one(kubelet))

    async def heartbeat(self, name: str) -> None:
        """Renews the node's lease and comes round again; raises where it could not."""
        kubelet = self._kubelets[name]
        if not kubelet.present:
            return
        await self._renew(kubelet)
        await self._report(kubelet)
        self.queue.add_after(name, RENEW_INTERVAL_S * (1.0 + 0.04 * self._dice.random()))

    # ------------------------------------------------------------------------------------------------ events

    def _node_seen(self, node: Object) -> None:
        kubelet = self._kubelets.get(node["metadata"]["name"])
        if kubelet is None:
            return
        if kubelet.uid != node["metadata"]["uid"]:
            kubelet.uid = node["metadata"]["uid"]
            kubelet.lease = None
            kubelet.present = True
            self.queue.add(kubelet.name)
        elif _ready(node) != "True":
            self.queue.add(kubelet.name)

    def _node_deleted(self, node: Object) -> None:
        kubelet = self._kubelets.get(node["metadata"]["name"])
        if kubelet is not None and kubelet.uid == node["metadata"]["uid"]:
            kubelet.present = False
            kubelet.uid = ""
            log.info("node %s was deleted; it is no longer simulated", kubelet.name)

    # ------------------------------------------------------------------------------------------------ calls

    async def _register_patiently(self, kubelet: Kubelet) -> None:
        wait_s = FIRST_RETRY_S
        while True:
            try:
                await self._register(kubelet)
                return
            except ServerUnreachableError as error:
                log.info("node %s: %s", kubelet.name, error)
            except StatusError as error:
                # 404: the namespace of the leases is not there yet. 409: somebody wrote at the same time.
                if error.code not in (404, 409, 429) and error.code < 500:
                    raise
                log.info("node %s: %s", kubelet.name, error)
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2.0, LAST_RETRY_S)

    async def _register(self, kubelet: Kubelet) -> None:
        now_s = self._clock.now_s()
        cidr = pod_network(kubelet.index)
        built = build_node(kubelet.name, kubelet.index, self._shape, kubelet.address, cidr, now_s)
        built["metadata"]["annotations"] = {URL_ANNOTATION: self.endpoint[0]}
        built["status"] = self._status(kubelet)
        try:
            node = await self._client.create(NODES, built)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            node = await self._client.get(NODES, kubelet.name)
            await self._tell_endpoint(kubelet, node)
        kubelet.uid, kubelet.present = node["metadata"]["uid"], True
        kubelet.reported_s = self._clock.monotonic_s()
        if _ready(node) != "True" or "capacity" not in (node.get("status") or {}):
            status = self._status(kubelet)
            await self._client.patch_status(NODES, kubelet.name, {"status": status})
        await self._renew(kubelet)
        # The first time anywhere in the interval, so that the fleet does not beat as one.
        self.queue.add_after(kubelet.name, RENEW_INTERVAL_S * self._dice.random())

    def _status(self, kubelet: Kubelet) -> Object:
        now_s = self._clock.now_s()
        status = build_status(kubelet.name, kubelet.index, self._shape, kubelet.address, now_s)
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": self.endpoint[1]}}
        return status

    async def _tell_endpoint(self, kubelet: Kubelet, node: Object) -> None:
        """A Node from an earlier run, or made by hand, does not know where the logs are now."""
        url, port = self.endpoint
        if (node["metadata"].get("annotations") or {}).get(URL_ANNOTATION) != url:
            patch = {"metadata": {"annotations": {URL_ANNOTATION: url}}}
            await self._client.patch(NODES, kubelet.name, patch)
            endpoints = {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}
            await self._client.patch_status(NODES, kubelet.name, endpoints)

    async def _renew(self, kubelet: Kubelet) -> None:
        now = format_micro_time(self._clock.now_s())
        try:
            if kubelet.lease is None:
                kubelet.lease = await self._find_or_create_lease(kubelet)
            lease = {**kubelet.lease, "spec": {**kubelet.lease["spec"], "renewTime": now}}
            kubelet.lease = await self._client.update(LEASES, lease)
        except BaseException:
            kubelet.lease = None
            raise

    async def _find_or_create_lease(self, kubelet: Kubelet) -> Object:
        try:
            return await self._client.get(LEASES, kubelet.name, LEASE_NAMESPACE)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
        node = {"metadata": {"name": kubelet.name, "uid": kubelet.uid}}
        return await self._client.create(LEASES, build_lease(node, self._clock.now_s()))

    async def _report(self, kubelet: Kubelet) -> None:
        """Says that the node is well, where its object says otherwise, and now and then."""
        node = self._nodes.get(kubelet.name)
        now_s = self._clock.monotonic_s()
        if node is None or (_ready(node) == "True" and now_s - kubelet.reported_s < REPORT_INTERVAL_S):
            return
        kubelet.reported_s = now_s
        status: Object = {"conditions": build_conditions(self._clock.now_s())}
        if "capacity" not in (node.get("status") or {}):
            # Somebody created the Node by hand: it knows nothing of the machine yet.
            status = self._status(kubelet)
            await self._tell_endpoint(kubelet, node)
        await self._client.patch_status(NODES, kubelet.name, {"status": status})


def _ready(node: Object) -> str:
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready":
            return str(condition["status"])
    return ""
