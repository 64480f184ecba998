"""What create, update, patch and delete MEAN. The order of the steps is written here, once, for every resource.

    create   name → metadata → defaults → track → mutate → prepare_create → reserve → validate → admit → store
    update   read → change → identity → metadata → defaults → track → mutate → prepare → reserve → validate → admit → store
             (again if it moved on)
    delete   read → preconditions → admit → plan (deletion.py) → remove, or store what is marked

A change is a function of the newest object, so a write that did not name a resourceVersion is simply tried again when another
came first. A write that changes nothing keeps the resourceVersion. An update that takes away the last finalizer of a deleted
object removes it. `dry_run` does everything but store. To track is to write down who changed which field (ownership.py);
to reserve is to take a service's addresses and ports (service_allocation.py).

The registry speaks the version it is asked in: a view (kinds/resource.py) is turned into its hub on the way in, and what is
returned is turned back. Inside, and for hooks and admission, there are only hubs.

The catalog may change while the server runs (custom resources): `serve` replaces it; what it no longer has is no longer watched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from apiserver.admission import CREATE, DELETE, PLUGINS, UPDATE, Attributes, Chain, Plugin
from apiserver.errors import (
    Cause,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    name_not_generated,
    not_found,
    service_unavailable,
    too_large,
)
from apiserver.kinds import Catalog, Resource, Validator
from apiserver.meta import deep_copy, format_time, generate_name
from apiserver.registry import deletion, metadata, ownership
from apiserver.registry.options import DeleteOptions, WriteOptions
from apiserver.registry.service_allocation import NOTHING_RESERVED, Reservation, ServiceAllocation, ServiceRanges
from apiserver.storage import (
    NEWEST,
    Feed,
    ObjectStore,
    Page,
    Stored,
    Wanted,
    WatchCache,
    WatchLimits,
    encode_value,
    find_one,
    read_page,
    read_settled,
)
from kvcluster.client import Client as KvClient
from kvcluster.clock import Clock
from kvcluster.errors import RequestTooLargeError

Object = dict[str, Any]
Objects = list[dict[str, Any]]
Change = Callable[[Object], Object]
"""The newest object (a private copy) → what it should become. May raise StatusError."""

MAX_CONFLICTS = 100
NAME_ATTEMPTS = 8
EVENT_TTL_S = 3600
EVENT_LEASE_SHARED_S = 60


class Registry:
    """Every served resource on one store. `seed` makes uids and names reproducible; None takes the system's randomness."""

    def __init__(
        self,
        catalog: Catalog,
        kv: KvClient,
        clock: Clock,
        *,
        plugins: Sequence[Plugin] = PLUGINS,
        seed: int | None = None,
        watch_limits: WatchLimits = WatchLimits(),  # noqa: B008 - immutable
        service_ranges: ServiceRanges = ServiceRanges(),  # noqa: B008 - immutable
    ) -> None:
        """Raises ValueError for service ranges that cannot be."""
        self.clock = clock
        self._kv = kv
        self._chain = Chain(plugins)
        self._random = Random(seed)
        self._watch_limits = watch_limits
        self._feed = Feed(kv)
        # By storage prefix: a custom resource whose definition changes is another resource over the same objects.
        self._stored: dict[str, Resource] = {}
        self._stores: dict[str, ObjectStore] = {}
        self._caches: dict[str, WatchCache] = {}
        self._catalog = catalog
        self.serve(catalog)
        self._allocation = ServiceAllocation(self, kv, service_ranges)
        self._event_lease = (0, 0.0)
        self._is_stopped = False

    @property
    def catalog(self) -> Catalog:
        """What is served now. Read it anew for each request."""
        return self._catalog

    def serve(self, catalog: Catalog) -> list[WatchCache]:
        """Serves another catalog from now on. -> the watch caches of what is gone, for the caller to stop."""
        self._catalog = catalog
        stored = {each.storage_prefix: each for each in (r.stored for r in catalog.resources() if not r.is_virtual)}
        for prefix, resource in stored.items():
            if prefix not in self._stores:
                self._stores[prefix] = ObjectStore(self._kv, prefix)
            elif self._stored[prefix] is not resource and prefix in self._caches:
                self._caches[prefix].renew()  # the same objects by other rules: watchers come back to those
        gone = [prefix for prefix in self._stores if prefix not in stored]
        for prefix in gone:
            del self._stores[prefix]
        self._stored = stored
        return [self._caches.pop(prefix) for prefix in gone if prefix in self._caches]

    def admit_with(self, plugins: Sequence[Plugin]) -> None:
        """Another admission chain: some plugins need the registry, so they are made after it."""
        self._chain = Chain(plugins)

    async def stop(self) -> None:
        """Every watch ends, and no new one begins."""
        self._is_stopped = True
        for cache in self._caches.values():
            await cache.stop()
        await self._feed.stop()

    def store(self, resource: Resource) -> ObjectStore:
        """Where the objects of a resource, or of its hub, are. Raises NotFound where the catalog no longer has it."""
        store = self._stores.get(resource.stored.storage_prefix)
        if store is None:
            raise StatusError(404, "NotFound", "the server could not find the requested resource", {})
        return store

    async def cache(self, resource: Resource) -> WatchCache:
        """The watch cache of the resource, or of its hub, started. Raises ServiceUnavailable after `stop`."""
        if self._is_stopped:
            raise service_unavailable("the server is shutting down")
        cache = self._caches.get(resource.stored.storage_prefix)
        if cache is None:
            store = self.store(resource)
            cache = self._caches[resource.stored.storage_prefix] = WatchCache(store, self._feed, self._watch_limits)
        if not cache.is_listed:
            await cache.start()
        return cache

    def caches(self) -> list[tuple[Resource, WatchCache]]:
        """Those that were started."""
        return [(self._stored[prefix], cache) for prefix, cache in self._caches.items()]

    # ---- reading ----

    async def get(self, resource: Resource, namespace: str, name: str, revision: int | None = None) -> Stored:
        """The newest state; or any (revision 0), or one not older than a revision. Raises NotFound, 504 (see storage.reads)."""
        stored = await find_one(await self.cache(resource), namespace, name, revision)
        if stored is None:
            raise not_found(resource.group, resource.plural, name)
        return as_served(resource, stored)

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        wanted: Wanted = NEWEST,
        *,
        accepts: Callable[[Stored], bool] | None = None,
    ) -> Page:
        """A page of the state that is wanted. `accepts` sees the hub's objects. Raises 410, 504 (see storage.reads)."""
        page = await read_page(await self.cache(resource), namespace, accepts, wanted)
        return _page_as_served(resource, page)

    # ---- create ----

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Object,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
        *,
        keeps_entries: bool = False,
    ) -> Stored:
        """`obj` is the decoded body, the caller's own. keeps_entries: its managedFields are what they should be.

        Raises AlreadyExists, Invalid, Forbidden, BadRequest.
        """
        if options.may_create is not None:
            options.may_create()
        if obj["metadata"].get("resourceVersion") and not options.dry_run:
            raise bad_request("resourceVersion should not be set on objects to be created")
        metadata.check_address(resource, obj, namespace, "")
        rules = resource.rules
        if rules is not resource:
            obj = resource.to_hub(obj)
        tracks = None if keeps_entries else resource
        return as_served(resource, await self._create(rules, namespace, obj, options, tracks))

    def new_uid(self) -> str:
        return _uuid4(self._random.getrandbits(128))

    async def _reserve(self, resource: Resource, obj: Object, old: Object | None, dry_run: bool) -> Reservation:
        """Services reserve addresses and ports before they are stored; nothing else does."""
        if resource.plural != "services" or resource.group:
            return NOTHING_RESERVED
        return await self._allocation.reserve(obj, old, dry_run)

    async def repair_services(self) -> None:
        """At a start: what services hold is theirs, whoever made them."""
        await self._allocation.repair()

    async def _released(self, resource: Resource, obj: Object) -> None:
        """After an object is gone for good."""
        if resource.plural == "services" and not resource.group:
            await self._allocation.release_all(obj)

    async def _create(
        self, resource: Resource, namespace: str, obj: Object, options: WriteOptions, tracks: Resource | None
    ) -> Stored:
        """tracks: the resource in whose version owners of fields are written down; None: they are there already."""
        base = obj["metadata"].get("generateName")
        generated = bool(base) and not obj["metadata"].get("name")
        for _ in range(NAME_ATTEMPTS if generated else 1):
            candidate = deep_copy(obj) if generated else obj
            if generated:
                candidate["metadata"]["name"] = generate_name(base, self._random.choice)
            stored = await self._try_create(resource, namespace, candidate, options, tracks)
            if stored is not None:
                return stored
        refuse = name_not_generated if base else already_exists
        raise refuse(resource.group, resource.plural, candidate["metadata"].get("name", ""))

    async def _try_create(
        self, resource: Resource, namespace: str, obj: Object, options: WriteOptions, tracks: Resource | None
    ) -> Stored | None:
        uid = self.new_uid()
        now = format_time(self.clock.now_s())
        metadata.fill_new(resource, obj, namespace, uid, now)
        name = obj["metadata"].get("name", "")
        resource.defaults(obj)
        if tracks is not None:
            obj["metadata"].pop("managedFields", None)
            ownership.track_create(tracks, obj, options, now)
        attributes = self._attributes(CREATE, resource, "", namespace, name, obj, None, options)
        await self._mutate(attributes)
        resource.prepare_create(obj)
        if resource.stamp is not None:
            resource.stamp(obj, None, now)
        async with await self._reserve(resource, obj, None, options.dry_run) as reservation:
            causes = resource.validate(obj)
            if causes:
                raise invalid(resource.group, resource.kind, name, causes)
            await self._admit(attributes)
            stored = await self._store_new(resource, namespace, name, obj, options.dry_run, tracks is None)
            reservation.is_kept = stored is not None
        return stored

    def form_new(self, resource: Resource, namespace: str, obj: Object, options: WriteOptions) -> bytes:
        """What creating `obj` would store, for the server's own objects: nobody is asked, and the status stays as it says."""
        now = format_time(self.clock.now_s())
        status = obj.pop("status", None)
        metadata.fill_new(resource, obj, namespace, self.new_uid(), now)
        resource.defaults(obj)
        ownership.track_create(resource, obj, options, now)
        resource.prepare_create(obj)
        if status is not None:
            obj["status"] = status
        return encode_value(obj)

    async def _store_new(
        self, resource: Resource, namespace: str, name: str, obj: Object, dry_run: bool, is_apply: bool
    ) -> Stored | None:
        """None where the name is taken."""
        obj = _as_stored(resource, obj)
        value = encode_value(obj)
        store = self.store(resource)
        if dry_run:
            exists = await store.find(namespace, name)
            return None if exists is not None else _unstored(store.key(namespace, name), value)
        lease = await self._lease(resource)

        async def write(value: bytes) -> Stored | None:
            return await store.create(namespace, name, value, lease=lease)

        return self._learn(resource, await _fit(write, obj, value, is_apply=is_apply), obj)

    def _learn(self, resource: Resource, stored: Stored | None, obj: Object) -> Stored | None:
        """What was just written need not be decoded when it is read, or heard of. `obj` is nobody else's."""
        if stored is None:
            return None
        stored.keep(obj)
        cache = self._caches.get(resource.stored.storage_prefix)
        return stored if cache is None else cache.learn(stored)

    async def _lease(self, resource: Resource) -> int:
        """Events live for an hour; one lease serves those of a minute (as Kubernetes does)."""
        if resource.group or resource.plural != "events":
            return 0
        id, granted_s = self._event_lease
        now_s = self.clock.monotonic_s()
        if not id or now_s - granted_s > EVENT_LEASE_SHARED_S:
            # Granted twice where the store's leader changed meanwhile: the lease that nobody knows of runs out.
            id = (await read_settled(lambda: self._kv.grant(EVENT_TTL_S + EVENT_LEASE_SHARED_S))).id
            self._event_lease = (id, now_s)
        return id

    # ---- update ----

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Change | None = None,
        *,
        change_known: Callable[[Object, Object], Object] | None = None,
        subresource: str = "",
        prepare: Callable[[Object, Object], None] | None = None,
        must_name_version: bool = False,
        is_free: bool = False,
        keeps_entries: bool = False,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
    ) -> Stored:
        """The object as stored.

        change: called again, with the newest object, after each write that came in between; it sees and returns the version
        that was asked for. change_known: the same, where the object itself is of use beside the copy. prepare: the hook for
        this kind of update; by default that of the rules for the subresource.

        must_name_version: a PUT: without a resourceVersion it is refused where the resource wants one. is_free: `change` is
        the server's own: it may touch what is immutable for clients, does not count as a generation and has no field
        manager. keeps_entries: `change` leaves the managedFields as they should be.
        Raises NotFound, Conflict, Invalid, Forbidden, and what `change` raises.
        """
        served, resource = resource, resource.rules
        part = resource.parts.get(subresource)
        if prepare is None and part is not None:
            prepare = part.prepare
        elif prepare is None:
            prepare = resource.prepare_status_update if subresource == "status" else resource.prepare_update
        for _ in range(MAX_CONFLICTS):
            old = await self.get(resource, namespace, name)
            known = as_served(served, old).obj
            obj = deep_copy(known)
            obj = change(obj) if change is not None else change_known(obj, known)  # type: ignore[misc]
            if served is not resource:
                obj = served.to_hub(obj)
            if must_name_version:
                _check_names_version(resource, obj, name)
            metadata.check_identity(resource, obj, old.obj)
            said = None if keeps_entries or is_free else obj["metadata"].pop("managedFields", None)
            metadata.restore(obj, old.obj)
            resource.defaults(obj)
            if not keeps_entries and not is_free:
                now = format_time(self.clock.now_s())
                ownership.track_update(served, subresource, obj, old.obj, said, options, now)
            attributes = self._attributes(UPDATE, resource, subresource, namespace, name, obj, old.obj, options)
            await self._mutate(attributes)
            prepare(obj, old.obj)
            if resource.stamp is not None:
                resource.stamp(obj, old.obj, format_time(self.clock.now_s()))
            if resource.tracks_generation and not is_free and resource.generation_changed(obj, old.obj):
                obj["metadata"]["generation"] = old.obj["metadata"].get("generation", 0) + 1
            async with await self._reserve(resource, obj, old.obj, options.dry_run) as reservation:
                causes = _causes_of_change(resource, obj, old.obj, is_free, subresource)
                if causes:
                    raise invalid(resource.group, resource.kind, name, causes)
                await self._admit(attributes)
                stored = await self._store_update(resource, old, obj, options.dry_run, keeps_entries)
                reservation.is_kept = stored is not None
            if stored is not None:
                return as_served(served, stored)
        raise conflict(resource.group, resource.plural, name)

    async def _store_update(
        self, resource: Resource, old: Stored, obj: Object, dry_run: bool, is_apply: bool
    ) -> Stored | None:
        """None where another write came first."""
        store = self.store(resource)
        obj = _as_stored(resource, obj)
        if ownership.is_unchanged(obj, (old.origin or old).obj):
            return old.origin or old
        value = encode_value(obj)
        if dry_run:
            return Stored(old.key, value, old.revision)
        if deletion.is_gone(resource, obj):
            if await store.remove(old) is None:
                return None
            await self._released(resource, obj)
            return Stored(old.key, value, old.revision)
        lease = await self._lease(resource)

        async def write(value: bytes) -> Stored | None:
            return await store.replace(old, value, lease=lease)

        return self._learn(resource, await _fit(write, obj, value, is_apply=is_apply), obj)

    # ---- delete ----

    async def delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions
    ) -> tuple[Stored, bool]:
        """(the object, whether it is gone now). Raises NotFound, Conflict, Forbidden."""
        stored, gone = await self._delete(resource.stored, namespace, name, options)
        return as_served(resource, stored), gone

    async def _delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions
    ) -> tuple[Stored, bool]:
        store = self.store(resource)
        marked: Stored | None = None
        for _ in range(MAX_CONFLICTS):
            old = await store.find(namespace, name)
            if old is None and marked is not None:
                return marked, True  # somebody else finished what was begun here
            if old is None:
                raise not_found(resource.group, resource.plural, name)
            if marked is None:
                deletion.check_preconditions(resource, old.obj, options)
            asked = WriteOptions(options.dry_run, user=options.user)
            await self._admit(self._attributes(DELETE, resource, "", namespace, name, None, old.obj, asked))
            obj = deep_copy(old.obj)
            outcome = deletion.plan(resource, obj, options, self.clock.now_s())
            gone = outcome in (deletion.REMOVE, deletion.MARK_FIRST)
            if outcome == deletion.KEEP or (outcome == deletion.MARK and obj == old.obj):
                return old, False
            if options.dry_run:
                return (old if outcome == deletion.REMOVE else Stored(old.key, encode_value(obj), old.revision)), gone
            if outcome != deletion.REMOVE:
                replaced = await store.replace(old, encode_value(obj), lease=await self._lease(resource))
                if replaced is None:
                    continue
                if not gone:
                    self._learn(resource, replaced, obj)
                    return replaced, False
                old = marked = replaced
            removed = await store.remove(old)
            if removed is not None:
                await self._released(resource, removed.obj)
                return removed, True
        raise conflict(resource.group, resource.plural, name)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str,
        options: DeleteOptions,
        accepts: Callable[[Stored], bool] | None,
        wanted: Wanted = NEWEST,
    ) -> Page:
        """Deletes what the list, or a page of it, holds, one by one; what is gone meanwhile is passed over. -> the list."""
        page = await self.list(resource, namespace, wanted, accepts=accepts)
        for stored in page.items:
            where = stored.obj["metadata"]
            try:
                await self.delete(resource, where.get("namespace", ""), where["name"], options)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        return page

    # ---- admission ----

    def _attributes(
        self,
        operation: str,
        resource: Resource,
        subresource: str,
        namespace: str,
        name: str,
        obj: Object | None,
        old: Object | None,
        options: WriteOptions,
    ) -> Attributes:
        return Attributes(
            operation, resource, subresource, namespace, name, obj, old, self._find, self._list_known,
            options.user, options.dry_run,
        )  # fmt: skip

    async def _mutate(self, attributes: Attributes) -> None:
        for step in self._chain.steps(attributes.resource)[0]:
            await step(attributes)

    async def _admit(self, attributes: Attributes) -> None:
        for step in self._chain.steps(attributes.resource)[1]:
            await step(attributes)

    def _core_or_group(self, what: str) -> Resource | None:
        """what: "pods", "storageclasses.storage.k8s.io"."""
        plural, _, group = what.partition(".")
        return self.catalog.find(group, "v1", plural)

    async def _find(self, what: str, namespace: str, name: str) -> Object | None:
        resource = self._core_or_group(what)
        if resource is None:
            return None
        cache = await self.cache(resource)
        # What is in the cache was there a moment ago at least; what is not may have been made since.
        stored = cache.find(namespace, name) or await find_one(cache, namespace, name)
        return None if stored is None else stored.obj

    async def _list_known(self, what: str) -> Objects:
        """What the cache has, perhaps a moment old: nothing is asked of the store."""
        resource = self._core_or_group(what)
        if resource is None:
            return []
        return [stored.obj for stored in (await self.cache(resource)).page("", None).items]


async def _fit(
    write: Callable[[bytes], Awaitable[Stored | None]], obj: Object, value: bytes, *, is_apply: bool
) -> Stored | None:
    """Writes an object; where it is too large for the store, without its managedFields, which an apply cannot do without.

    Raises RequestEntityTooLarge.
    """
    try:
        return await write(value)
    except RequestTooLargeError as error:
        if is_apply or not obj["metadata"].pop("managedFields", None):
            raise too_large(error.text) from None
    try:
        return await write(encode_value(obj))
    except RequestTooLargeError as error:
        raise too_large(error.text) from None


def as_served(resource: Resource, stored: Stored) -> Stored:
    """A stored object in the version of a view; itself where the resource is no view."""
    if resource.hub is None or stored.origin is not None:
        return stored
    return stored.view(resource, resource.from_hub)


def _as_stored(resource: Resource, obj: Object) -> Object:
    """The other way round: what the rules' resource leaves to be stored."""
    return obj if resource.hub is None else resource.to_hub(obj)


def _causes_of_change(
    resource: Resource, obj: Object, old: Object, is_free: bool, subresource: str
) -> list[Cause]:
    part = resource.parts.get(subresource)
    if part is not None:
        return resource.validate(obj) + part.validate_update(obj, old)
    if resource.validate_change is not None:
        return resource.validate_change(obj, old)
    causes = _causes_of_object(resource, obj, old, subresource)
    return causes + ([] if is_free else resource.validate_update(obj, old))


def _causes_of_object(resource: Resource, obj: Object, old: Object, subresource: str) -> list[Cause]:
    """What has been stored was found good: a status, or a label, does not cost a look at every container."""
    validate = resource.validate
    if not isinstance(validate, Validator):
        return validate(obj)
    if subresource == "status":
        return validate.metadata(obj) + resource.validate_status(obj, old)
    return validate.metadata(obj) if _is_metadata_alone(obj, old) else validate(obj)


def _is_metadata_alone(obj: Object, old: Object) -> bool:
    """Whether nothing but metadata is another."""
    return obj.keys() == old.keys() and all(value == old[key] for key, value in obj.items() if key != "metadata")


def _page_as_served(resource: Resource, page: Page) -> Page:
    return page if resource.hub is None else page._replace(items=[as_served(resource, each) for each in page.items])


def _check_names_version(resource: Resource, obj: Object, name: str) -> None:
    """Raises Invalid for a PUT without a resourceVersion, where the resource wants one."""
    if not obj["metadata"].get("resourceVersion") and not resource.unconditional_update:
        text = 'Invalid value: "": must be specified for an update'
        raise invalid(
            resource.group, resource.kind, name, [Cause("FieldValueInvalid", text, "metadata.resourceVersion")]
        )


def _uuid4(bits: int) -> str:
    """The text of a random UUID of 128 random bits; the class in the standard library takes as long as encoding a pod."""
    text = f"{bits & ~(0xF000 << 64 | 0xC000 << 48) | 0x4000 << 64 | 0x8000 << 48:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _unstored(key: bytes, value: bytes) -> Stored:
    """An object that was not stored (dry run): it has no resourceVersion to speak of."""
    return Stored(key, value, 0)
