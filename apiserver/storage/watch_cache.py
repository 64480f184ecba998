"""One KV watch of a resource, decoded once, shared by everyone who watches it.

    stopped ──start──▶ listing ──▶ watching ──KV watch lost to compaction──▶ listing …
                                          │ each change: into the ring, then to every group of watchers

Watchers with the same (namespace, selectors, media type) are a group: the group decides once per change whether they hear of it,
and they share the line. A watcher that does not read is not waited for: beyond its queue it is ended, and comes back by itself.

The cache answers "what is there" only to those who said how old the answer may be (resourceVersion "0" or N). Everyone else is
answered by the store, and a watcher hears from here what is newer than that answer, so nothing it hears is stale or missed,
however far the cache lags. What the store returns is still looked up here by (key, revision): the same version of an object is
decoded and spliced once, whichever way it came.

Nobody may subscribe between the loss of the KV watch and the new list: what happened in between is in no ring.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Hashable

from sortedcontainers import SortedDict

from apiserver.errors import StatusError, expired
from apiserver.storage.events import Accepts, Change, Render, WatchLimits
from apiserver.storage.object_store import ObjectStore, Page
from apiserver.storage.stored import Stored
from kvcluster.client import Event, KeyValue, prefix_end
from kvcluster.errors import CompactedError

log = logging.getLogger(__name__)

RETRY_S = 0.5


class Subscriber:
    """One watcher's queue: lines, then the end. `error` says why it ended, None = no more."""

    __slots__ = ("error", "is_first", "after", "group", "_lines", "_limit", "_ready", "_ended")

    def __init__(self, limit: int, group: Group, after: int, is_first: bool) -> None:
        self.error: StatusError | None = None
        self.is_first = is_first
        self.after = after  # what it has seen already; this cache may be behind that
        self.group = group
        self._lines: deque[tuple[int, bytes]] = deque()
        self._limit = limit
        self._ready = asyncio.Event()
        self._ended = False

    def push(self, revision: int, line: bytes) -> bool:
        """False: the queue is full, and the watcher is over."""
        if self._ended:
            return False
        if len(self._lines) >= self._limit:
            self.end()
            return False
        self._lines.append((revision, line))
        self._ready.set()
        return True

    def end(self, error: StatusError | None = None) -> None:
        if not self._ended:
            self._ended = True
            self.error = error
            self._ready.set()

    async def wait(self) -> list[tuple[int, bytes]]:
        """(revision, line) of everything queued, at least one; an empty list at the end."""
        while not self._lines:
            if self._ended:
                return []
            self._ready.clear()
            await self._ready.wait()
        return self.take()

    def take(self) -> list[tuple[int, bytes]]:
        """What is queued now, perhaps nothing. Whoever gives up waiting looks here first: lines may have come meanwhile."""
        lines = list(self._lines)
        self._lines.clear()
        return lines


class Group:
    """Watchers who want the same; `key` says what."""

    __slots__ = ("key", "accepts", "render", "members")

    def __init__(self, key: Hashable, accepts: Accepts | None, render: Render) -> None:
        self.key = key
        self.accepts = accepts
        self.render = render
        self.members: dict[Subscriber, None] = {}

    def publish(self, change: Change) -> None:
        heard = change.heard(self.accepts)
        if heard is None:
            return
        type, stored = heard
        for subscriber in list(self.members):
            if change.revision <= subscriber.after:
                continue
            if subscriber.is_first:
                subscriber.is_first = False
                line = self.render(type, stored, True)
            else:
                line = change.line(type, stored, self.render)
            if not subscriber.push(change.revision, line):
                del self.members[subscriber]


class WatchCache:
    """See the module. `revision`: everything up to it has been published."""

    def __init__(self, store: ObjectStore, limits: WatchLimits = WatchLimits()) -> None:  # noqa: B008 - immutable
        self.revision = 0
        self._store = store
        self._limits = limits
        self._objects: SortedDict[bytes, Stored] = SortedDict()
        self._ring: deque[Change] = deque()
        self._oldest = 0  # changes after this revision are in the ring
        self._groups: dict[Hashable, Group] = {}
        self._task: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()  # clear while there is no list that the KV watch goes on from

    async def start(self) -> None:
        """Returns once a list is there: the first, or the one after the KV watch was lost; at once otherwise."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"watch cache {self._store.prefix}")
        await self._listed.wait()

    async def stop(self) -> None:
        """Every watcher ends."""
        for group in self._groups.values():
            for subscriber in group.members:
                subscriber.end()
        self._groups.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        self._listed.clear()

    def known(self, kv: KeyValue) -> Stored | None:
        """This very version of the object, if it is here: perhaps decoded and spliced already."""
        stored = self._objects.get(kv.key)
        return stored if stored is not None and stored.revision == kv.mod_revision else None

    def page(self, namespace: str = "", accepts: Accepts | None = None) -> Page:
        """What is there, in key order, as of `revision`."""
        begin = self._store.key_prefix(namespace)
        stored = [self._objects[key] for key in self._objects.irange(begin, prefix_end(begin), (True, False))]
        return Page(stored if accepts is None else [each for each in stored if accepts(each)], self.revision)

    def subscribe(
        self, after: int, key: Hashable, accepts: Accepts | None, render: Render, *, is_first: bool
    ) -> Subscriber:
        """A watcher of what happens after revision `after`. Raises 410 Expired where that is no longer in the ring.

        key: (namespace, selectors), equal for watchers with an equal `accepts`. is_first: nothing was sent to it before.
        """
        if not self._listed.is_set():
            raise expired("the watch cache is listing again")
        if after < self._oldest:
            raise expired(f"too old resource version: {after} ({self._oldest})")
        group_key = (key, render.key)
        group = self._groups.get(group_key)
        if group is None:
            group = self._groups[group_key] = Group(group_key, accepts, render)
        subscriber = Subscriber(self._limits.queue, group, after, is_first)
        if after < self.revision:
            self._replay(subscriber, after)
        group.members[subscriber] = None
        return subscriber

    def _replay(self, subscriber: Subscriber, after: int) -> None:
        group = subscriber.group
        for change in self._ring:
            if change.revision > after:
                heard = change.heard(group.accepts)
                if heard is not None:
                    type, stored = heard
                    line = (
                        group.render(type, stored, True)
                        if subscriber.is_first
                        else change.line(type, stored, group.render)
                    )
                    subscriber.is_first = False
                    subscriber.push(change.revision, line)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Safe to call twice, and for a watcher that has ended."""
        subscriber.end()
        group = subscriber.group
        group.members.pop(subscriber, None)
        if not group.members and self._groups.get(group.key) is group:
            del self._groups[group.key]

    async def _run(self) -> None:
        while True:
            try:
                await self._list()
                self._listed.set()
                await self._watch()
                log.warning("%s: the store ended the watch; listing again", self._store.prefix)
                self._expire()
                await asyncio.sleep(RETRY_S)
            except CompactedError:
                log.warning("%s: the watch fell behind compaction; listing again", self._store.prefix)
                self._expire()
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("%s: watching the store", self._store.prefix)
                self._expire()
                await asyncio.sleep(RETRY_S)

    def _expire(self) -> None:
        self._listed.clear()
        error = expired("The resourceVersion for the provided watch is too old.")
        for group in self._groups.values():
            for subscriber in group.members:
                subscriber.end(error)
        self._groups.clear()

    async def _list(self) -> None:
        page = await self._store.list()
        self._objects = SortedDict((stored.key, stored) for stored in page.items)
        self._ring.clear()
        self._oldest = self.revision = page.revision

    async def _watch(self) -> None:
        prefix = self._store.prefix.encode()
        watcher = await self._store.kv.watch(
            prefix, prefix_end(prefix), start_revision=self.revision + 1, progress_notify=True
        )
        try:
            async for batch in watcher:
                for event in batch.events:
                    self._take(event)
                self.revision = max(self.revision, batch.revision)
        finally:
            await watcher.close()

    def _take(self, event: Event) -> None:
        key, revision = event.kv.key, event.kv.mod_revision
        before = self._objects.get(key)
        if event.is_delete:
            self._objects.pop(key, None)
            now = None
        else:
            now = self._objects[key] = Stored(key, event.kv.value, revision)
        change = Change(revision, now, before)
        self._ring.append(change)
        if len(self._ring) > self._limits.ring:
            self._oldest = self._ring.popleft().revision
        self.revision = revision
        for group in list(self._groups.values()):
            group.publish(change)
