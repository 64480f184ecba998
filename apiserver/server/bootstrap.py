"""What is there before anybody asks: namespaces, priority classes, the service of the API server itself, and the like.

Everything is made if it is missing and left alone if it is there, so a second server on the same store changes nothing; only
where the server is found (its endpoints) is brought up to date. On an empty store it is one transaction: admission and validation
have nothing to say about what the server itself made, and a test holds the objects against the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.errors import StatusError
from apiserver.kinds import Catalog, Resource, decode_object
from apiserver.meta import deep_copy, format_time
from apiserver.registry import Registry, WriteOptions
from apiserver.server.bootstrap_objects import Place, Wanted, kubernetes_service, wanted_objects
from kvcluster.client import Client, Compare, PutOp

MANAGER = "kube-apiserver"
TRANSACTION_OPS = 100  # etcd takes 128

Object = dict[str, Any]


async def bootstrap(catalog: Catalog, registry: Registry, kv: Client, place: Place) -> None:
    """Raises StatusError for anything but "it exists"."""
    now = format_time(registry.clock.now_s())
    missing: list[tuple[bytes, bytes]] = []
    for wanted in wanted_objects(place, now):
        resource = catalog.find(wanted.group, "v1", wanted.plural)
        resource = resource or catalog.find(wanted.group, "v2", wanted.plural)
        if resource is None:
            continue
        obj = _typed(resource, wanted.obj)
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        store = registry.store(resource)
        found = await store.find(namespace, name)
        if found is None:
            value = registry.form_new(resource, namespace, obj, WriteOptions(manager=MANAGER))
            missing.append((store.key(namespace, name), value))
        elif wanted.is_exact:
            await _bring_up_to_date(registry, resource, wanted, found.obj)
    await put_missing(kv, missing)
    await registry.repair_services()
    await _ensure_service(catalog, registry, place)


def _typed(resource: Resource, obj: Object) -> Object:
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, **deep_copy(obj)}
    decode_object(obj, resource.schema, resource.version, resource.kind)
    return obj


async def put_missing(kv: Client, missing: list[tuple[bytes, bytes]]) -> None:
    """All at once; where another server was quicker with some of them, one by one."""
    for start in range(0, len(missing), TRANSACTION_OPS):
        part = missing[start : start + TRANSACTION_OPS]
        answer = await kv.txn(
            [Compare(key, "mod", "==", 0) for key, _ in part], [PutOp(key, value) for key, value in part], []
        )
        if not answer.succeeded:
            for key, value in part:
                await kv.put_if(key, value, mod_revision=0)


async def _bring_up_to_date(registry: Registry, resource: Resource, wanted: Wanted, found: Object) -> None:
    """Everything but the metadata is as the server wants it."""
    obj = _typed(resource, wanted.obj)
    resource.defaults(obj)
    said = {key: value for key, value in obj.items() if key != "metadata"}
    if all(found.get(key) == value for key, value in said.items()):
        return
    metadata = obj["metadata"]

    def change(newest: Object) -> Object:
        return {**newest, **deep_copy(said)}

    options = WriteOptions(manager=MANAGER)
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    if resource.plural == "endpointslices" and found.get("addressType") != obj.get("addressType"):
        return  # another family by now: it cannot be changed, and is another server's
    await registry.update(resource, namespace, name, change, options=options)


async def _ensure_service(catalog: Catalog, registry: Registry, place: Place) -> None:
    """default/kubernetes. Its port says where the server listens."""
    resource = catalog.find("", "v1", "services")
    if resource is None:
        return
    options = WriteOptions(manager=MANAGER)
    wanted = kubernetes_service(place)
    found = await registry.store(resource).find("default", "kubernetes")
    if found is None:
        try:
            await registry.create(resource, "default", _typed(resource, wanted), options)
        except StatusError as error:
            if error.reason != "AlreadyExists" and not _is_taken(error):  # another server was quicker
                raise
    elif (found.obj.get("spec") or {}).get("ports") != wanted["spec"]["ports"]:
        await registry.update(resource, "default", "kubernetes", _with_ports(wanted), options=options)


def _with_ports(wanted: Object) -> Callable[[Object], Object]:
    def change(newest: Object) -> Object:
        newest["spec"]["ports"] = deep_copy(wanted["spec"]["ports"])
        return newest

    return change


def _is_taken(error: StatusError) -> bool:
    return error.reason == "Invalid" and "already allocated" in error.message
