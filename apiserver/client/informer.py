"""A local, indexed copy of a resource that is kept true by one watch, and tells its handlers of every change.

Handlers are plain functions, called synchronously and in the order of the changes: an object's on_add comes before its
on_update, and on_delete last. After a lost watch a fresh list is compared with the copy, so a handler sees the difference
(possibly several changes as one) and never a repeat. A handler that is added late is first told of all that is there.

Objects in the store are shared by everyone: nobody mutates them (copy.deepcopy first). `on_update(old, new)` gets both.

`InformerFactory` hands out one informer per (resource, namespace, selectors), so that controllers share watches.
Source of the model: client-go tools/cache shared_informer.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from apiserver.client.client import Client, Named, Object, Objects
from apiserver.client.reflector import Reflector
from apiserver.client.resources import key_of, resource_name
from apiserver.client.timing import LoopClock, TimerClock

log = logging.getLogger(__name__)

IndexFunction = Callable[[Object], Iterable[str]]

NAMESPACE_INDEX = "namespace"
OWNER_INDEX = "owner"


def controller_of(obj: Object) -> Object | None:
    """The owner reference with controller: true (the object's own, not a copy), or None."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: Object = reference
            return found
    return None


def index_by_namespace(obj: Object) -> Iterable[str]:
    return (obj["metadata"].get("namespace") or "",)


def index_by_owner(obj: Object) -> Iterable[str]:
    """The uids of all owners."""
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()]


def index_by_label(label: str) -> IndexFunction:
    """An index over the values of one label."""

    def values(obj: Object) -> Iterable[str]:
        value = (obj["metadata"].get("labels") or {}).get(label)
        return () if value is None else (value,)

    return values


class Store:
    """Objects by key, with indices. `_check()` is the invariant: an index holds exactly what its function says."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._functions: dict[str, IndexFunction] = {NAMESPACE_INDEX: index_by_namespace, OWNER_INDEX: index_by_owner}
        # name of index -> value -> keys, the inner dict being an ordered set
        self._indices: dict[str, dict[str, dict[str, None]]] = {name: {} for name in self._functions}

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def find(self, key: str) -> Object | None:
        return self._objects.get(key)

    def objects(self) -> Objects:
        return list(self._objects.values())

    def by_index(self, index: str, value: str) -> Objects:
        """Raises KeyError for an index that was never added."""
        return [self._objects[key] for key in self._indices[index].get(value, ())]

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Adds an index over what is there and what comes; adding a name again changes nothing."""
        if name in self._functions:
            return
        self._functions[name] = function
        self._indices[name] = {}
        for key, obj in self._objects.items():
            self._index_one(name, function, key, obj)

    def set(self, key: str, obj: Object) -> Object | None:
        """Stores the object and returns the one it replaces."""
        old = self._objects.get(key)
        if old is not None:
            self._unindex(key, old)
        self._objects[key] = obj
        for name, function in self._functions.items():
            self._index_one(name, function, key, obj)
        return old

    def remove(self, key: str) -> Object | None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._unindex(key, old)
        return old

    def _index_one(self, name: str, function: IndexFunction, key: str, obj: Object) -> None:
        for value in function(obj):
            self._indices[name].setdefault(value, {})[key] = None

    def _unindex(self, key: str, obj: Object) -> None:
        for name, function in self._functions.items():
            index = self._indices[name]
            for value in function(obj):
                keys = index.get(value)
                if keys is not None:
                    keys.pop(key, None)
                    if not keys:
                        del index[value]

    def _check(self) -> None:
        for name, function in self._functions.items():
            expected: dict[str, set[str]] = {}
            for key, obj in self._objects.items():
                for value in function(obj):
                    expected.setdefault(value, set()).add(key)
            actual = {value: set(keys) for value, keys in self._indices[name].items()}
            assert actual == expected, name


class Handler(NamedTuple):
    on_add: Callable[[Object], object] | None
    on_update: Callable[[Object, Object], object] | None
    on_delete: Callable[[Object], object] | None


class Informer:
    """One watch, one store, many handlers. Driven by `run`, usually through an InformerFactory."""

    def __init__(
        self,
        client: Client,
        resource: Named,
        clock: TimerClock | None = None,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        seed: int = 0,
    ) -> None:
        self.resource = resource_name(resource)
        self.store = Store()
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._reflector = Reflector(
            client,
            resource,
            self,
            clock if clock is not None else LoopClock(),
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            metadata_only=metadata_only,
            seed=seed,
        )

    # ------------------------------------------------------------------------------------------------ reading

    def get(self, name: str, namespace: str = "") -> Object | None:
        """The object as last seen, or None. Do not mutate."""
        return self.store.find(f"{namespace}/{name}" if namespace else name)

    def list(self, namespace: str = "") -> Objects:
        """All objects, or a namespace's, in the order they came. Do not mutate."""
        return self.store.by_index(NAMESPACE_INDEX, namespace) if namespace else self.store.objects()

    def owned_by(self, uid: str) -> Objects:
        """The objects that name this uid among their owners."""
        return self.store.by_index(OWNER_INDEX, uid)

    @property
    def resource_version(self) -> str:
        return self._reflector.resource_version

    def is_synced(self) -> bool:
        return self._synced.is_set()

    async def synced(self) -> None:
        """Returns once the first list is in the store and the handlers know of it."""
        await self._synced.wait()

    # ------------------------------------------------------------------------------------------------ handlers

    def add_handler(
        self,
        *,
        on_add: Callable[[Object], object] | None = None,
        on_update: Callable[[Object, Object], object] | None = None,
        on_delete: Callable[[Object], object] | None = None,
    ) -> None:
        """Registers functions; on_add is called at once for everything that is in the store already."""
        handler = Handler(on_add, on_update, on_delete)
        self._handlers.append(handler)
        if handler.on_add is not None:
            for obj in self.store.objects():
                self._tell(handler.on_add, obj)

    # ------------------------------------------------------------------------------------------------ the sink

    async def run(self) -> None:
        """Lists and watches until cancelled."""
        await self._reflector.run()

    def replace(self, items: Objects, resource_version: str) -> None:
        fresh = {key_of(obj): obj for obj in items}
        for obj in self.store.objects():
            key = key_of(obj)
            if key not in fresh:
                self._removed(key, None)
        for key, obj in fresh.items():
            self._changed(key, obj)
        self._synced.set()

    def apply(self, event_type: str, obj: Object) -> None:
        key = key_of(obj)
        if event_type == "DELETED":
            self._removed(key, obj)
        else:
            self._changed(key, obj)

    def _changed(self, key: str, obj: Object) -> None:
        old = self.store.find(key)
        if old is None:
            self.store.set(key, obj)
            for handler in self._handlers:
                if handler.on_add is not None:
                    self._tell(handler.on_add, obj)
            return
        old_metadata, metadata = old["metadata"], obj["metadata"]
        if old_metadata.get("uid") != metadata.get("uid"):
            # Deleted and made again while nobody watched: two objects, not one that changed.
            self._removed(key, None)
            self._changed(key, obj)
            return
        if old_metadata.get("resourceVersion") == metadata.get("resourceVersion"):
            return
        self.store.set(key, obj)
        for handler in self._handlers:
            if handler.on_update is not None:
                self._tell(handler.on_update, old, obj)

    def _removed(self, key: str, last: Object | None) -> None:
        old = self.store.remove(key)
        if old is None:
            return
        for handler in self._handlers:
            if handler.on_delete is not None:
                self._tell(handler.on_delete, last or old)

    def _tell(self, function: Callable[..., object], *objects: Object) -> None:
        # One handler's mistake must not stop the watch that the others live on.
        try:
            function(*objects)
        except Exception:
            log.exception("a handler of %s raised", self.resource)


class InformerFactory:
    """Informers shared by whoever asks for the same thing. `async with factory:` runs them; entering may be nested.

    An informer asked for while the factory runs starts at once.
    """

    def __init__(self, client: Client, clock: TimerClock | None = None) -> None:
        self._client = client
        self._clock: TimerClock = clock if clock is not None else LoopClock()
        self._informers: dict[tuple[Any, ...], Informer] = {}
        self._tasks: dict[tuple[Any, ...], asyncio.Task[None]] = {}
        self._users = 0

    def informer(
        self,
        resource: Named,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> Informer:
        """The one informer for these arguments.

        metadata_only: objects need be no more than PartialObjectMetadata; where somebody watches the whole of them already,
        that watch is shared.
        """
        key = (resource_name(resource), namespace, label_selector, field_selector, False)
        if metadata_only and key not in self._informers:
            key = (*key[:-1], True)
        found = self._informers.get(key)
        if found is None:
            found = self._informers[key] = Informer(
                self._client,
                resource,
                self._clock,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                metadata_only=key[-1],
                seed=len(self._informers),
            )
            if self._users:
                self._start(key, found)
        return found

    def drop(self, informer: Informer) -> None:
        """Ends an informer whose resource is no longer served; its store is left as it was."""
        for key, found in list(self._informers.items()):
            if found is informer:
                del self._informers[key]
                task = self._tasks.pop(key, None)
                if task is not None:
                    task.cancel()

    def start(self) -> None:
        """Runs every informer there is; those asked for later start at once. Pair each start with a stop."""
        self._users += 1
        for key, informer in self._informers.items():
            if key not in self._tasks:
                self._start(key, informer)

    async def synced(self) -> None:
        """Returns once every informer asked for so far has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()

    async def stop(self) -> None:
        """Ends the watches when the last user stops."""
        self._users -= 1
        if self._users > 0:
            return
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> InformerFactory:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _start(self, key: tuple[Any, ...], informer: Informer) -> None:
        self._tasks[key] = asyncio.get_running_loop().create_task(informer.run(), name=f"informer {informer.resource}")
