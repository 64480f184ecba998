"""What is there of one resource, and what happened to it of late: the state that reads and watches are served from.

    unlisted ──start──▶ listing ──▶ listed: each change goes into the state, the ring, and to every group of watchers
        ▲                                │
        └── the feed lost its watch ◀────┘   every watcher is told 410; the next reader lists again

The state is what the store had at `revision`, exactly: the feed (feed.py) hands out every change in order, and drops none. The
same version of an object is decoded and spliced once, whichever way it came: by the feed, by a list from the store (`known`),
or by the writer itself, who hands in what it has decoded anyway (`learn`).

Nobody may subscribe between the loss of the watch and the new list: what happened in between is in no ring.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable

from sortedcontainers import SortedDict

from apiserver.errors import expired
from apiserver.storage.events import Accepts, Change, Lines, Render, WatchLimits
from apiserver.storage.feed import Feed
from apiserver.storage.object_store import ObjectStore, Page, is_readable
from apiserver.storage.pages import Position, encode_continue
from apiserver.storage.stored import Stored
from apiserver.storage.subscribers import Group, Subscriber, Trigger
from kvcluster.client import Event, KeyValue, prefix_end
from kvcluster.errors import CompactedError

MAX_LEARNED = 1000
"""Own writes that have not come back by the feed yet; beyond it they are decoded again."""
MAX_PAGES = 8
LIST_KEYS = 10_000
"""Keys read at a time: one answer with 100,000 objects would block everybody."""


class WatchCache:
    """See the module. A Sink of the feed."""

    def __init__(self, store: ObjectStore, feed: Feed, limits: WatchLimits = WatchLimits()) -> None:  # noqa: B008
        self.store = store
        self.feed = feed
        self.changed_revision = 0
        """Of the newest change, or of the list: the state has been the same since."""
        self.events_sent = 0
        self._limits = limits
        self._prefix = store.prefix.encode()
        self._objects: SortedDict[bytes, Stored] = SortedDict()
        self._ring: deque[Change] = deque()
        self._ring_bytes = 0
        self._oldest = 0  # changes after this revision are in the ring
        self._listed_revision = 0
        self._is_listed = False
        self._listing: asyncio.Task[None] | None = None
        self._held: list[Event] | None = None  # heard while listing
        self._groups: dict[Hashable, Group] = {}
        self._asked: dict[Group, None] = {}  # groups without a trigger
        self._triggered: dict[str, tuple[Callable[[Stored], str], dict[str, dict[Group, None]]]] = {}
        self._dirty: dict[Group, None] = {}
        self._learned: dict[bytes, Stored] = {}
        self._pages: dict[str, Page] = {}  # whole namespaces as they were listed, until something changes

    # ---- life ----

    async def start(self) -> None:
        """Returns once a list is there; at once if it is. Raises what the store says."""
        while not self._is_listed:
            if self._listing is None:
                self._listing = asyncio.get_running_loop().create_task(
                    self._list(), name=f"listing {self.store.prefix}"
                )
                self._listing.add_done_callback(self._end_listing)
            await asyncio.shield(self._listing)

    def _end_listing(self, task: asyncio.Task[None]) -> None:
        if self._listing is task:
            self._listing = None
        if not task.cancelled():
            task.exception()  # those who waited have it, or have gone

    async def stop(self) -> None:
        """Every watcher ends."""
        self.feed.remove(self._prefix, self)
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing})
        self._is_listed = False
        self._end_all()
        self._forget()

    async def _list(self) -> None:
        while True:
            await self.feed.start()
            generation = self.feed.generation
            self._held = []
            self.feed.add(self._prefix, self)
            try:
                items, revision = await self.store.list_all(LIST_KEYS)
            except CompactedError:
                continue
            except BaseException:
                self._held = None
                raise
            if generation == self.feed.generation and self.feed.is_open:
                break
        self._objects = SortedDict((stored.key, stored) for stored in items)
        self._listed_revision = self._oldest = self.changed_revision = revision
        held, self._held = self._held, None
        self._is_listed = True
        for event in held or ():
            self.take(event)
        self.flush()

    def lose(self) -> None:
        """What the feed brings from now on does not follow on what is here."""
        if self._is_listed:
            self._is_listed = False
            error = expired("The resourceVersion for the provided watch is too old.")
            self._end_all(error)
            self._forget()

    def renew(self) -> None:
        """The objects are served by other rules from now on: every watcher ends, and their views are made anew."""
        was_listed, self._is_listed = self._is_listed, False  # as when it stops: they were not too slow
        self._end_all()
        self._is_listed = was_listed
        for stored in self._objects.values():
            stored.forget_views()

    def _end_all(self, error: Exception | None = None) -> None:
        groups = list(self._groups.values())
        self._groups.clear()
        self._asked.clear()
        self._triggered.clear()
        self._dirty.clear()
        for group in groups:
            for subscriber in group.watchers():
                subscriber.end(error)  # type: ignore[arg-type]
            group.members.clear()
            group.newcomers.clear()

    def _forget(self) -> None:
        self._objects = SortedDict()
        self._ring.clear()
        self._ring_bytes = 0
        self._learned.clear()
        self._pages.clear()

    # ---- what is there ----

    @property
    def is_listed(self) -> bool:
        return self._is_listed

    @property
    def revision(self) -> int:
        """What is here is what the store had at this revision."""
        return max(self.feed.revision, self._listed_revision)

    def __len__(self) -> int:
        return len(self._objects)

    def find(self, namespace: str, name: str) -> Stored | None:
        return self._objects.get(self.store.key(namespace, name))

    def known(self, kv: KeyValue) -> Stored | None:
        """This very version of the object, if it is here: perhaps decoded and spliced already."""
        stored = self._objects.get(kv.key)
        return stored if stored is not None and stored.revision == kv.mod_revision else None

    def page(
        self,
        namespace: str = "",
        accepts: Accepts | None = None,
        *,
        revision: int = 0,
        limit: int = 0,
        position: Position | None = None,
    ) -> Page:
        """What is there, in key order; limit and position as in ObjectStore.list. revision: what to call the state, since when
        nothing has changed; by default the newest."""
        objects = self._objects
        revision = revision or self.revision
        is_whole = accepts is None and not limit and position is None
        if is_whole:
            kept = self._pages.get(namespace)
            if kept is not None:
                return kept._replace(revision=revision)
        prefix = self.store.key_prefix(namespace)
        begin, end = prefix if position is None else prefix + position.start.encode(), prefix_end(prefix)
        if not limit and begin == self._prefix:
            every = list(objects.values())
            if is_whole:
                return self._keep(namespace, Page(every, revision, shared={}))
            return Page(every if accepts is None else [each for each in every if accepts(each)], revision)
        keys = objects.irange(begin, end, (True, False))
        if not limit:
            stored = [objects[key] for key in keys]
            if is_whole:
                return self._keep(namespace, Page(stored, revision, shared={}))
            return Page(stored if accepts is None else [each for each in stored if accepts(each)], revision)
        items: list[Stored] = []
        for key in keys:
            each = objects[key]
            if accepts is None or accepts(each):
                items.append(each)
                if len(items) == limit:
                    left = objects.bisect_left(end) - objects.bisect_right(key)
                    if not left:
                        break
                    token = encode_continue(Position(revision, f"{key[len(prefix) :].decode()}\0"))
                    return Page(items, revision, token, left if accepts is None else None)
        return Page(items, revision)

    def changes_after(self, revision: int) -> list[Change] | None:
        """What happened after that revision, oldest first; None where it is no longer known: then `page` is all there is."""
        if revision < self._oldest or not self._is_listed:
            return None
        newest: list[Change] = []
        for change in reversed(self._ring):
            if change.revision <= revision:
                break
            newest.append(change)
        newest.reverse()
        return newest

    def _keep(self, namespace: str, page: Page) -> Page:
        """Until something changes: after a restart a hundred clients list the same."""
        if len(self._pages) >= MAX_PAGES:
            self._pages.clear()
        self._pages[namespace] = page
        return page

    def learn(self, stored: Stored) -> Stored:
        """The outcome of a write, whether the feed has brought it already or will: it need not be decoded and spliced again.

        -> the one to go on with.
        """
        known = self._objects.get(stored.key)
        if known is not None and known.revision == stored.revision:
            known.keep(stored.obj)
            return known
        if self._is_listed and stored.revision > self.changed_revision:
            if len(self._learned) >= MAX_LEARNED:
                self._learned.clear()
            self._learned[stored.key] = stored
        return stored

    # ---- watchers ----

    def subscribe(
        self,
        after: int,
        key: Hashable,
        accepts: Accepts | None,
        render: Render,
        *,
        is_first: bool,
        trigger: Trigger | None = None,
    ) -> Subscriber:
        """A watcher of what happens after revision `after`. Raises 410 Expired where that is no longer in the ring.

        key: (namespace, selectors), equal for watchers with an equal `accepts`. is_first: nothing was sent to it before, and
        the render begins with something else. trigger: a field that `accepts` wants to be equal to something.
        """
        if not self._is_listed:
            raise expired("the watch cache is listing again")
        if after < self._oldest:
            raise expired(f"too old resource version: {after} ({self._oldest})")
        group_key = (key, render.key)
        group = self._groups.get(group_key)
        if group is None:
            group = self._add_group(Group(group_key, accepts, render, trigger))
        group.flush()
        subscriber = Subscriber(self._limits, group, after, is_first)
        if after < self.changed_revision:
            self._replay(subscriber, after)
        if subscriber.is_first or after > self.revision:
            group.newcomers[subscriber] = None
        else:
            group.join(subscriber)
        return subscriber

    def _add_group(self, group: Group) -> Group:
        self._groups[group.key] = group
        trigger = group.trigger
        if trigger is None:
            self._asked[group] = None
        else:
            _, by_value = self._triggered.setdefault(trigger.label, (trigger.read, {}))
            by_value.setdefault(trigger.value, {})[group] = None
        return group

    def _remove_group(self, group: Group) -> None:
        if self._groups.get(group.key) is not group:
            return
        del self._groups[group.key]
        self._asked.pop(group, None)
        trigger = group.trigger
        if trigger is not None:
            _, by_value = self._triggered[trigger.label]
            groups = by_value[trigger.value]
            del groups[group]
            if not groups:
                del by_value[trigger.value]
            if not by_value:
                del self._triggered[trigger.label]

    def _replay(self, subscriber: Subscriber, after: int) -> None:
        group = subscriber.group
        missed: list[Change] = []
        for change in reversed(self._ring):
            if change.revision <= after:
                break
            missed.append(change)
        lines: list[bytes] = []
        for change in reversed(missed):
            heard = change.heard(group.accepts)
            if heard is not None:
                lines.append(group.render(*heard, subscriber.is_first))
                subscriber.is_first = False
        if lines and not subscriber.push(Lines(self.changed_revision, b"".join(lines), len(lines))):
            subscriber.end()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Safe to call twice, and for a watcher that has ended."""
        group = subscriber.group
        group.remove(subscriber)
        subscriber.end()
        if group.is_empty:
            self._remove_group(group)

    @property
    def watchers(self) -> int:
        return sum(len(group.members) + len(group.newcomers) for group in self._groups.values())

    # ---- the feed's Sink ----

    def take(self, event: Event) -> None:
        if not self._is_listed:
            if self._held is not None:
                self._held.append(event)
            return
        key, revision = event.kv.key, event.kv.mod_revision
        if revision <= self._listed_revision:
            return  # the list had it
        before = self._objects.get(key)
        learned = self._learned.pop(key, None) if self._learned else None
        if event.is_delete or not is_readable(event.kv):
            if self._objects.pop(key, None) is None:
                return  # nobody knew of it: what is not an object was deleted, or written
            now = None
        else:
            now = learned if learned is not None and learned.revision == revision else None
            if now is None:
                now = Stored(key, event.kv.value, revision)
            self._objects[key] = now
        self.changed_revision = revision
        if self._pages:
            self._pages.clear()
        change = Change(revision, now, before)
        self._publish(change)
        self._remember(change)

    def _remember(self, change: Change) -> None:
        ring, limits = self._ring, self._limits
        ring.append(change)
        if change.before is not None:
            change.before.slim()  # its text is enough for who comes late
        self._ring_bytes += change.size_bytes
        while len(ring) > limits.ring or self._ring_bytes > limits.ring_bytes:
            oldest = ring.popleft()
            self._ring_bytes -= oldest.size_bytes
            self._oldest = oldest.revision

    def _publish(self, change: Change) -> None:
        lines: dict[Hashable, bytes] = {}
        dirty = self._dirty
        for group in self._asked:
            if group.publish(change, lines):
                dirty[group] = None
        if self._triggered:
            for read, by_value in self._triggered.values():
                values = {read(stored): None for stored in (change.now, change.before) if stored is not None}
                for value in values:
                    for group in by_value.get(value, ()):
                        if group.publish(change, lines):
                            dirty[group] = None

    def flush(self) -> None:
        dirty = self._dirty
        if dirty:
            for group in dirty:
                self.events_sent += group.flush()
                if group.is_empty:
                    self._remove_group(group)
            dirty.clear()
