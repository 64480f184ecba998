"""EndpointSlices: for each Service with a selector, its pods' addresses in slices of at most 100.

Pods are grouped by the ports that they serve (a named target port may be another number on each) and each group is cut
into slices in the order of names. Names are computed from the Service and the slice's place, so a reconcile that is
repeated, or runs beside another, writes the same objects. A deleted Service's slices go with it by owner reference.
Not here: topology hints, dual stack, the batching of pod changes.
Source of the rules: Kubernetes pkg/controller/endpointslice.
"""

from __future__ import annotations

import copy

from apiserver.client import Informer, Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.backends import (
    Backend,
    BackendPort,
    find_backends,
    has_selector,
    is_headless,
    services_of,
)
from apiserver.controllers.context import Context
from apiserver.controllers.ownership import controller_reference
from apiserver.controllers.pods import gather_s, is_relevant_change
from apiserver.controllers.rollout import template_hash
from apiserver.errors import StatusError

SLICES = resource_name("discovery.k8s.io/v1/endpointslices")
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"

MAX_ENDPOINTS = 100
ENDPOINTS_SHARE = 0.2
"""Traffic should not wait as long as a status may."""


class EndpointSliceController:
    """Keys are Services."""

    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._services = context.informers.informer("services")
        self._pods = context.informers.informer("pods")
        self._nodes = context.informers.informer("nodes")
        self._slices = context.informers.informer(SLICES)
        self._services.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda old, obj: self.queue.add(key_of(obj))
        )
        watch_pods(self._pods, self._services, self.queue)
        self._slices.add_handler(on_update=lambda old, obj: self._slice_changed(obj), on_delete=self._slice_changed)

    def _slice_changed(self, endpoint_slice: Object) -> None:
        labels = endpoint_slice["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
            self.queue.add(f"{endpoint_slice['metadata']['namespace']}/{labels[SERVICE_NAME]}")

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        service = self._services.get(name, namespace)
        if service is None or service["metadata"].get("deletionTimestamp") or not has_selector(service):
            return
        wanted = {
            built["metadata"]["name"]: built for built in self._build(service, find_backends(service, self._pods))
        }
        existing = {
            found["metadata"]["name"]: found
            for found in self._slices.owned_by(service["metadata"]["uid"])
            if (found["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
        }
        try:
            for slice_name, built in wanted.items():
                await self._write(existing.get(slice_name), built)
        except StatusError as error:
            # A namespace that is being deleted takes no new objects; what is there goes with it.
            if error.reason != "Forbidden":
                raise
        for slice_name in existing.keys() - wanted.keys():
            await self._delete(existing[slice_name])

    async def _write(self, current: Object | None, built: Object) -> None:
        if current is None:
            try:
                await self._client.create(SLICES, built)
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise
                metadata = built["metadata"]
                await self._write(await self._client.get(SLICES, metadata["name"], metadata["namespace"]), built)
            return
        updated = copy.deepcopy(current)
        for field in ("endpoints", "ports"):
            if built[field] or current.get(field):  # empty and absent are the same
                updated[field] = built[field]
        updated["metadata"]["labels"] = built["metadata"]["labels"]
        updated["metadata"]["ownerReferences"] = built["metadata"]["ownerReferences"]
        if updated != current:
            await self._client.update(SLICES, updated)

    async def _delete(self, endpoint_slice: Object) -> None:
        metadata = endpoint_slice["metadata"]
        try:
            await self._client.delete(SLICES, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    def _build(self, service: Object, backends: list[Backend]) -> Objects:
        """At least one slice, empty where there are no backends: readers tell "none" from "not yet known"."""
        groups: dict[tuple[BackendPort, ...], list[Backend]] = {}
        for backend in backends:
            groups.setdefault(backend.ports, []).append(backend)
        chunks: list[tuple[tuple[BackendPort, ...], list[Backend]]] = [
            (ports, group[start : start + MAX_ENDPOINTS])
            for ports, group in groups.items()
            for start in range(0, len(group), MAX_ENDPOINTS)
        ]
        chunks = chunks or [((), [])]
        return [self._build_one(service, place, ports, chunk) for place, (ports, chunk) in enumerate(chunks)]

    def _build_one(
        self, service: Object, place: int, ports: tuple[BackendPort, ...], backends: list[Backend]
    ) -> Object:
        metadata = service["metadata"]
        suffix = template_hash({"uid": metadata["uid"], "slice": place})[-5:]
        labels = {**(metadata.get("labels") or {}), SERVICE_NAME: metadata["name"], MANAGED_BY: MANAGER}
        if is_headless(service):
            labels[HEADLESS] = ""
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{metadata['name']}-{suffix}",
                "namespace": metadata["namespace"],
                "labels": labels,
                "ownerReferences": [
                    controller_reference({"apiVersion": "v1", "kind": "Service", "metadata": metadata})
                ],
            },
            "addressType": "IPv4",
            "endpoints": [self._endpoint(service, backend) for backend in backends],
            "ports": [_port(port) for port in ports],
        }

    def _endpoint(self, service: Object, backend: Backend) -> Object:
        endpoint: Object = {
            "addresses": [backend.address],
            "conditions": {"ready": backend.ready, "serving": backend.serving, "terminating": backend.terminating},
            "targetRef": backend.target_reference(),
        }
        if backend.hostname(service):
            endpoint["hostname"] = backend.hostname(service)
        if backend.node_name:
            endpoint["nodeName"] = backend.node_name
            zone = _zone(self._nodes.get(backend.node_name))
            if zone:
                endpoint["zone"] = zone
        return endpoint


def watch_pods(pods: Informer, services: Informer, queue: WorkQueue[str]) -> None:
    """Queues the Services that a pod's change concerns, those it has just stopped matching too."""

    def wake(pod: Object) -> None:
        for service in services_of(pod, services):
            # A reconcile looks at all pods: changes of many are gathered for a time in proportion to their number.
            queue.add_after(key_of(service), gather_s(len(pods.store)) * ENDPOINTS_SHARE)

    def updated(old: Object, pod: Object) -> None:
        if not is_relevant_change(old, pod):
            return
        wake(pod)
        if old["metadata"].get("labels") != pod["metadata"].get("labels"):
            wake(old)

    pods.add_handler(on_add=wake, on_update=updated, on_delete=wake)


def _port(port: BackendPort) -> Object:
    name, number, protocol, app_protocol = port
    made: Object = {"name": name, "port": number, "protocol": protocol}
    if app_protocol:
        made["appProtocol"] = app_protocol
    return made


def _zone(node: Object | None) -> str:
    labels = (node["metadata"].get("labels") or {}) if node is not None else {}
    return str(labels.get(ZONE, ""))
