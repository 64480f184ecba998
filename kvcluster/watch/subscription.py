"""Who watches: the sink that takes events, the subscription, and the group of subscriptions that want the same.

A *group* is all subscriptions with the same (key, range_end, prev_kv, filters). Matching, filtering and joining bytes
happen once for a group, whatever the number of its watchers; each watcher then costs one call of its sink.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from enum import Enum
from operator import attrgetter
from typing import Any, Protocol

_order = attrgetter("order")


class Sink(Protocol):
    """Where the events of a subscription go. Called by the hub only; must not raise, and must not call the hub back."""

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        """Takes `count` events of whole revisions, spliced for a WatchResponse; False: no room, nothing was taken.

        Every matching event up to and including `revision` has been delivered with this call. For a synced watcher
        that is the revision of the events; for the last batch of a catch-up it is the store's revision.
        After False the subscription rests until `Hub.resume`, and then gets the same events again.
        """

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        """The next event is no longer kept. The subscription is over."""


class State(Enum):
    """See the drawing in hub.py."""

    FUTURE = "future"
    SYNCED = "synced"
    UNSYNCED = "unsynced"
    GONE = "gone"


class Subscription:
    """One watcher. Made by `Hub.subscribe`; everything but `tag` belongs to the hub.

    tag: the owner's (its watch id, say); the hub never looks at it.
    start_revision: as the watcher asked for it; 0 = from the revision after its creation.
    """

    __slots__ = ("sink", "tag", "group", "order", "start_revision", "state", "next_revision", "is_full")

    def __init__(self, sink: Sink, tag: Any, group: Group, order: int, start_revision: int, next_revision: int) -> None:
        self.sink = sink
        self.tag = tag
        self.group = group
        self.order = order
        self.start_revision = start_revision
        self.state = State.GONE
        self.next_revision = next_revision  # meaningful while future or unsynced: a synced one is always up to date
        self.is_full = False

    def __repr__(self) -> str:
        return f"Subscription({self.tag!r}, {self.group!r}, {self.state.value}, next={self.next_revision})"


class Group:
    """Subscriptions that want the same events."""

    __slots__ = ("key", "range_end", "prev_kv", "no_put", "no_delete", "synced", "size", "pending", "pending_revision")

    def __init__(self, key: bytes, range_end: bytes, prev_kv: bool, no_put: bool, no_delete: bool) -> None:
        self.key = key
        self.range_end = range_end
        self.prev_kv = prev_kv
        self.no_put = no_put
        self.no_delete = no_delete
        self.synced: list[Subscription] = []  # in order of creation
        self.size = 0  # all its subscriptions, in whatever state
        self.pending: list[bytes] = []  # events that are published and not flushed, as `deliver` takes them
        self.pending_revision = 0  # of the last of them

    def add_synced(self, subscription: Subscription) -> None:
        insort(self.synced, subscription, key=_order)

    def remove_synced(self, subscription: Subscription) -> None:
        position = bisect_left(self.synced, subscription.order, key=_order)
        assert self.synced[position] is subscription
        del self.synced[position]

    def __repr__(self) -> str:
        return f"[{self.key!r}, {self.range_end!r})" if self.range_end else repr(self.key)
