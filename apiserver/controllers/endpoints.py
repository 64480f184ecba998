"""Endpoints: the older form of EndpointSlices, one object a Service. Deprecated, and still read by many.

Pods on their way out are in neither list. Pods with the same ports share a subset. More than MAX_ADDRESSES are cut off, and
an annotation says so.
Source of the rules: Kubernetes pkg/controller/endpoint.
"""

from __future__ import annotations

import copy

from apiserver.client import Object, Objects, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.backends import Backend, BackendPort, find_backends, has_selector, is_headless
from apiserver.controllers.context import Context
from apiserver.controllers.endpoint_slice import HEADLESS, watch_pods
from apiserver.errors import StatusError

ENDPOINTS = resource_name("endpoints")
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAX_ADDRESSES = 1000


class EndpointsController:
    """Keys are Services, which is to say Endpoints: they have the same names."""

    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._services = context.informers.informer("services")
        self._pods = context.informers.informer("pods")
        self._endpoints = context.informers.informer(ENDPOINTS)
        self._services.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)),
            on_update=lambda old, obj: self.queue.add(key_of(obj)),
            on_delete=lambda obj: self.queue.add(key_of(obj)),
        )
        watch_pods(self._pods, self._services, self.queue)
        self._endpoints.add_handler(on_delete=lambda obj: self.queue.add(key_of(obj)))

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        service = self._services.get(name, namespace)
        current = self._endpoints.get(name, namespace)
        if service is None:
            if current is not None and (current["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER:
                await self._delete(current)
            return
        if service["metadata"].get("deletionTimestamp") or not has_selector(service):
            return
        built = _build(service, find_backends(service, self._pods))
        try:
            if current is None:
                current = await self._create(built)
                if current is None:
                    return
            updated = copy.deepcopy(current)
            updated["metadata"]["labels"] = built["metadata"]["labels"]
            annotations = {**(updated["metadata"].get("annotations") or {}), OVER_CAPACITY: "truncated"}
            if OVER_CAPACITY not in (built["metadata"].get("annotations") or {}):
                del annotations[OVER_CAPACITY]
            if annotations or updated["metadata"].get("annotations"):
                updated["metadata"]["annotations"] = annotations
            if built["subsets"] or updated.get("subsets"):
                updated["subsets"] = built["subsets"]
            if updated != current:
                await self._client.update(ENDPOINTS, updated)
        except StatusError as error:
            # The namespace is on its way out, or the Service went while we looked.
            if error.reason != "Forbidden":
                raise

    async def _create(self, built: Object) -> Object | None:
        """What is there already, though not in sight yet; None where it was made."""
        metadata = built["metadata"]
        try:
            await self._client.create(ENDPOINTS, built)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            return await self._client.get(ENDPOINTS, metadata["name"], metadata["namespace"])
        return None

    async def _delete(self, endpoints: Object) -> None:
        metadata = endpoints["metadata"]
        try:
            await self._client.delete(ENDPOINTS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def _build(service: Object, backends: list[Backend]) -> Object:
    metadata = service["metadata"]
    labels = {**(metadata.get("labels") or {}), MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS] = ""
    groups: dict[tuple[BackendPort, ...], list[Backend]] = {}
    shown = [backend for backend in backends if not backend.terminating or backend.ready]
    # Where there is not room for all, those that are ready go first.
    for backend in sorted(shown, key=lambda b: not b.ready)[:MAX_ADDRESSES] if len(shown) > MAX_ADDRESSES else shown:
        groups.setdefault(backend.ports, []).append(backend)
    made: Object = {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels}
    if len(shown) > MAX_ADDRESSES:
        made["annotations"] = {OVER_CAPACITY: "truncated"}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": made,
        "subsets": [_subset(service, ports, group) for ports, group in groups.items()],
    }


def _subset(service: Object, ports: tuple[BackendPort, ...], backends: list[Backend]) -> Object:
    lists: dict[str, Objects] = {"addresses": [], "notReadyAddresses": []}
    for backend in backends:
        address: Object = {"ip": backend.address, "targetRef": backend.target_reference()}
        if backend.hostname(service):
            address["hostname"] = backend.hostname(service)
        if backend.node_name:
            address["nodeName"] = backend.node_name
        lists["addresses" if backend.ready else "notReadyAddresses"].append(address)
    subset: Object = {name: addresses for name, addresses in lists.items() if addresses}
    if ports:
        subset["ports"] = [
            {
                **({"name": name} if name else {}),
                "port": number,
                "protocol": protocol,
                **({"appProtocol": app_protocol} if app_protocol else {}),
            }
            for name, number, protocol, app_protocol in ports
        ]
    return subset
