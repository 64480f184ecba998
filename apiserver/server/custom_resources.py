"""Serves what CustomResourceDefinitions declare: follows them, accepts their names, publishes and withdraws their resources.

    a definition changes ──▶ names, conditions ──▶ the catalog is published ──▶ the status is written (Established)
    it is deleted        ──▶ its objects are deleted ──▶ the finalizer goes ──▶ it is gone, and so is its resource

It looks at all definitions whenever one changes (they are few, and what has not changed is kept), so nothing is missed whichever
server wrote it: a second server on the same store serves the same, and one that starts begins with what is there. The catalog is
published before the status says Established, so whoever waits for that is not answered 404.

A definition with another spec is another resource over the same objects: watches end, and go on by the new rules.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from typing import Any

from apiserver.errors import StatusError
from apiserver.kinds import Catalog, Resource
from apiserver.kinds.custom import (
    DELETION_DONE,
    DELETION_GOES_ON,
    FINALIZER,
    Names,
    accept_names,
    approval_condition,
    as_terminating,
    declare_custom,
    is_true,
    remove_condition,
    set_condition,
    structural_condition,
)
from apiserver.meta import format_time
from apiserver.registry import DeleteOptions, Registry
from apiserver.server.api_services import keep_api_services
from apiserver.storage import Lines, Stored, Subscriber

log = logging.getLogger(__name__)

Object = dict[str, Any]

GROUP, VERSION, PLURAL = "apiextensions.k8s.io", "v1", "customresourcedefinitions"
RETRY_S = 0.5
"""Between two looks at what could not be done: the store is away, objects are held by finalizers."""


class _Silent:
    """A watcher that only wants to know that something happened."""

    key: Hashable = "custom resource definitions"

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        return b""


class CustomResources:
    """A Listener of the definitions' watch cache. builtin: what is served beside them, always."""

    def __init__(self, registry: Registry, builtin: Catalog) -> None:
        self._registry = registry
        self._builtin = builtin
        definitions = builtin.find(GROUP, VERSION, PLURAL)
        self._definitions = definitions
        self._declared: dict[str, tuple[Any, list[Resource]]] = {}  # uid: what it depends on, resources
        self._structural: dict[str, tuple[int, Object | None]] = {}  # uid: generation, condition NonStructuralSchema
        self._published: dict[str, str] = {}  # uid: the resourceVersion that is served
        self._settled: dict[str, str] = {}  # uid: the resourceVersion in which nothing is left to say of it
        self._changed = asyncio.Event()
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self._removals: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Returns when everything that is established already is served."""
        if self._definitions is None:
            return
        subscriber = await self._subscribe()
        await self._publish(await self._list())
        await keep_api_services(self._registry, self._registry.catalog)
        self._changed.set()
        self._task = asyncio.get_running_loop().create_task(self._run(subscriber), name="custom resources")

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._removals.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._task = None
        self._removals.clear()

    # ---- a Listener ----

    def deliver(self, lines: Lines) -> bool:
        self._changed.set()
        return True

    def over(self, error: StatusError | None) -> None:
        self._is_over = True
        self._changed.set()

    # ---- following ----

    async def _subscribe(self) -> Subscriber:
        assert self._definitions is not None
        cache = await self._registry.cache(self._definitions)
        self._is_over = False
        subscriber = cache.subscribe(cache.revision, _Silent.key, None, _Silent(), is_first=False)
        subscriber.attach(self)
        return subscriber

    async def _list(self) -> list[Object]:
        assert self._definitions is not None
        cache = await self._registry.cache(self._definitions)
        return [stored.obj for stored in cache.page().items]

    async def _run(self, subscriber: Subscriber) -> None:
        while True:
            try:
                await self._changed.wait()
                self._changed.clear()
                if self._is_over:
                    await self._subscribe()
                await self._look()
            except asyncio.CancelledError:
                raise
            except StatusError as error:
                log.warning("custom resources: %s", error)
                await self._again()
            except Exception:
                log.exception("custom resources")
                await self._again()

    async def _again(self) -> None:
        await asyncio.sleep(RETRY_S)
        self._changed.set()

    async def _look(self) -> None:
        """All definitions, once: names, catalog, statuses, deletions."""
        definitions = await self._list()
        wanted = self._statuses(definitions)
        is_changed = await self._publish([{**each, "status": wanted[each["metadata"]["uid"]]} for each in definitions])
        for definition in definitions:
            metadata = definition["metadata"]
            if wanted[metadata["uid"]] != definition.get("status"):
                await self._write_status(definition, wanted[metadata["uid"]])
            if metadata.get("deletionTimestamp") and FINALIZER in (metadata.get("finalizers") or ()):
                self._remove_objects(definition)
        if is_changed:
            await keep_api_services(self._registry, self._registry.catalog)

    def _now(self) -> str:
        return format_time(self._registry.clock.now_s())

    def _statuses(self, definitions: list[Object]) -> dict[str, Object]:
        """By uid. Names go to who was there first: each is seen beside the names that are taken by then."""
        taken: dict[str, Names] = {}
        for definition in definitions:
            names = taken.setdefault(definition["spec"]["group"], Names())
            names.take(definition["metadata"]["uid"], (definition.get("status") or {}).get("acceptedNames") or {})
        made: dict[str, Object] = {}
        for definition in sorted(definitions, key=_age):
            metadata = definition["metadata"]
            if self._settled.get(metadata["uid"]) == metadata["resourceVersion"]:
                made[metadata["uid"]] = definition["status"]
                continue
            status = accept_names(definition, taken[definition["spec"]["group"]], self._now())
            for type, condition in (
                ("KubernetesAPIApprovalPolicyConformant", approval_condition(definition)),
                ("NonStructuralSchema", self._structural_condition(definition)),
            ):
                if condition is None:
                    remove_condition(status, type)
                else:
                    set_condition(status, condition, self._now())
            made[metadata["uid"]] = status
            if status == definition.get("status") and is_true(definition, "NamesAccepted"):
                self._settled[metadata["uid"]] = metadata["resourceVersion"]
        self._structural = {uid: found for uid, found in self._structural.items() if uid in made}
        self._settled = {uid: version for uid, version in self._settled.items() if uid in made}
        return made

    def _structural_condition(self, definition: Object) -> Object | None:
        """A large schema takes a while, so once for each generation."""
        uid, generation = definition["metadata"]["uid"], definition["metadata"].get("generation", 0)
        known = self._structural.get(uid)
        if known is None or known[0] != generation:
            known = self._structural[uid] = (generation, structural_condition(definition))
        return known[1]

    async def _write_status(self, definition: Object, status: Object) -> None:
        name, uid = definition["metadata"]["name"], definition["metadata"]["uid"]
        seen = definition.get("status")

        def change(newest: Object) -> Object:
            if newest["metadata"]["uid"] == uid and newest.get("status") == seen:
                newest["status"] = status
            return newest  # another write came in between: its event brings the next look

        await self._update(name, change)

    async def _update(self, name: str, change: Any) -> None:
        assert self._definitions is not None
        try:
            await self._registry.update(
                self._definitions, "", name, change, subresource="status", prepare=_as_it_is, is_free=True
            )
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    # ---- publishing ----

    async def _publish(self, definitions: list[Object]) -> bool:
        """Whether another catalog is served now."""
        declared: dict[str, tuple[Any, list[Resource]]] = {}
        for definition in definitions:
            if not is_true(definition, "Established"):
                continue
            metadata, status = definition["metadata"], definition["status"]
            known, version = self._declared.get(metadata["uid"]), metadata["resourceVersion"]
            if known is not None and self._published.get(metadata["uid"]) == version:
                declared[metadata["uid"]] = known
                continue
            depends_on = (definition["spec"], status["acceptedNames"], bool(metadata.get("deletionTimestamp")))
            if known is None or known[0] != depends_on:
                known = (depends_on, _declare(definition, depends_on, known))
            declared[metadata["uid"]] = known
            if self._settled.get(metadata["uid"]) == version:
                self._published[metadata["uid"]] = version  # nothing of it will change in this version
        self._published = {uid: version for uid, version in self._published.items() if uid in declared}
        if declared.keys() == self._declared.keys() and all(
            declared[uid] is self._declared[uid] for uid in declared
        ):
            return False
        served = [resource for _, resources in declared.values() for resource in resources]
        gone = self._registry.serve(self._builtin.joined_by(served))
        self._declared = declared
        for cache in gone:
            await cache.stop()
        # A watch from a list's revision must find the cache there already.
        for hub in {resource.stored: None for resource in served}:
            await self._registry.cache(hub)
        return True

    # ---- removing ----

    def _remove_objects(self, definition: Object) -> None:
        uid = definition["metadata"]["uid"]
        task = self._removals.get(uid)
        if task is None or task.done():
            self._removals[uid] = asyncio.get_running_loop().create_task(
                self._removal(definition), name=f"removing {definition['metadata']['name']}"
            )
            self._removals[uid].add_done_callback(lambda _: self._removals.pop(uid, None))

    async def _removal(self, definition: Object) -> None:
        """Deletes the objects, waits for those that others hold, then lets the definition go."""
        name = definition["metadata"]["name"]
        _, resources = self._declared.get(definition["metadata"]["uid"], (None, []))
        try:
            if resources:
                await self._update(name, lambda newest: self._with(newest, DELETION_GOES_ON))
            while resources:
                if await self._are_gone(resources[0]):
                    break
                await asyncio.sleep(RETRY_S)
            await self._update(name, self._released)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("removing the objects of %s", name)
            await self._again()

    async def _are_gone(self, resource: Resource) -> bool:
        if resource.stored not in {each.stored for each in self._registry.catalog.resources(resource.group)}:
            return True  # another server was quicker
        page = await self._registry.list(resource)
        if page.items:
            await self._registry.delete_collection(resource, "", DeleteOptions(), None)
            page = await self._registry.list(resource)
        return not page.items

    def _with(self, definition: Object, condition: Object) -> Object:
        set_condition(definition.setdefault("status", {}), condition, self._now())
        return definition

    def _released(self, definition: Object) -> Object:
        self._with(definition, DELETION_DONE)
        metadata = definition["metadata"]
        metadata["finalizers"] = [each for each in metadata.get("finalizers") or () if each != FINALIZER]
        if not metadata["finalizers"]:
            del metadata["finalizers"]
        return definition


def _declare(definition: Object, depends_on: Any, known: tuple[Any, list[Resource]] | None) -> list[Resource]:
    is_terminating = depends_on[-1]
    if known is not None and known[1] and is_terminating and known[0][:-1] == depends_on[:-1]:
        return as_terminating(known[1])  # its watches go on, to tell of every object that goes
    try:
        resources = declare_custom(definition)
        if is_terminating and not resources:  # no version is served, but its objects have to go
            versions = [{**each, "served": each.get("storage", False)} for each in definition["spec"]["versions"]]
            resources = declare_custom({**definition, "spec": {**definition["spec"], "versions": versions}})
    except Exception:  # another server let in what this one cannot read
        log.exception("the definition %s cannot be served", definition["metadata"]["name"])
        return []
    return as_terminating(resources) if is_terminating else resources


def _as_it_is(obj: Object, old: Object) -> None:
    """These writes decide themselves what they change."""


def _age(definition: Object) -> tuple[bool, str, str]:
    """Established ones first, then the older."""
    metadata = definition["metadata"]
    return not is_true(definition, "Established"), metadata.get("creationTimestamp", ""), metadata["name"]
