"""The watch hub: every change to every watcher that wants it, each event once, in order, none missing.

What it is: the table of subscriptions and their progress. What it is not: a queue. The hub stores no event: a watcher
that cannot take one is remembered by ONE number, the next revision it needs, and is served from the store's history
later. So its memory is bounded by the number of subscriptions. It knows no streams, watch ids, fragments or
progress notifications: those are rpc's.

    subscribe --start > current + 1--> FUTURE
        |                                |  publish(start - 1)
        |---start = current + 1------> SYNCED --sink says False--> UNSYNCED (full)
        |                                ^                            |  resume
        '---start <= current-----------> | <--catch_up, caught up-- UNSYNCED (ready)
                                         |                            |  next < compacted revision: sink.compacted
                              any --cancel--> GONE <------------------'

Driven by the member: `publish` with every revision, at once and in order, and `flush` after the last of those that were
committed together; `catch_up` while it answers True, one budgeted round at a time; `resume` when a sink that said False has
room again. So a watcher costs one call of its sink for all that a turn committed, not one for each event; nothing waits for
it, since what a turn committed leaves the member together anyway.

Promises, per subscription: the events are exactly the matching events from its start revision on, in order, without
loss or repetition, whole revisions in one delivery, until it is cancelled or compacted. Nothing is delivered of a
revision whose events are all filtered out. The hub calls a sink only inside flush
and catch_up; subscribe and a large publish flush.
Between subscriptions: within a group in order of creation; no promise between groups, but always the same order.

Progress: while `is_synced(s)`, s has been given every event up to `hub.revision`, and nothing at or below it will
follow. A progress notification may then carry hub.revision (rpc puts it into the same queue as the events).

Rules: etcd.md 2.7. Cost: a revision costs one look-up per event and one append per group that wants it; a flush one call per
synced watcher of those groups.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

from kvcluster.errors import CompactedError, WatchRangeEmptyError
from kvcluster.mvcc import DELETE, FIRST_REVISION, TO_THE_END, Event, Store
from kvcluster.watch.catchup import collect
from kvcluster.watch.limits import WatchLimits
from kvcluster.watch.ranges import GroupTable
from kvcluster.watch.subscription import Group, Sink, State, Subscription

GroupKey = tuple[bytes, bytes, bool, bool, bool]


class Hub:
    """See the module's contract. `revision`: the last one published, or found in the store at the start."""

    __slots__ = ("revision", "_store", "_limits", "_groups", "_table", "_all", "_future", "_ready", "_created",
                 "_touched", "_pending_bytes", "_flushed")  # fmt: skip

    def __init__(self, store: Store, *, limits: WatchLimits | None = None) -> None:
        self.revision = store.revision
        self._store = store
        self._limits = limits or WatchLimits()
        self._groups: dict[GroupKey, Group] = {}
        self._table = GroupTable()
        self._all: dict[Subscription, None] = {}
        self._future: list[Subscription] = []  # by (next_revision, order)
        self._ready: dict[Subscription, None] = {}  # unsynced and not full: a queue
        self._created = 0
        self._touched: list[Group] = []  # with events that are published and not flushed
        self._pending_bytes = 0
        self._flushed = store.revision  # every synced watcher has heard of everything up to here

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        key: bytes,
        range_end: bytes = b"",
        start_revision: int = 0,
        *,
        prev_kv: bool = False,
        no_put: bool = False,
        no_delete: bool = False,
        sink: Sink,
        tag: Any = None,
    ) -> Subscription:
        """A new watcher of [key, range_end), from start_revision on (0: from the next revision).

        range_end as in Store.range; an empty key is the caller's to turn into a zero byte, as etcd's watch API does.
        A start below the compacted revision is accepted, and answered by `sink.compacted` in the next catch_up.
        Raises WatchRangeEmptyError for key >= range_end, CompactedError for a negative start_revision
        (compact_revision 0).
        """
        if range_end and range_end != TO_THE_END and key >= range_end:
            raise WatchRangeEmptyError
        if start_revision < 0:
            raise CompactedError
        self.flush()  # nobody hears of what was before it came
        group = self._group(key, range_end, prev_kv, no_put, no_delete)
        group.size += 1
        self._created += 1
        next_revision = start_revision or self.revision + 1
        if next_revision == FIRST_REVISION and self._store.compacted_revision <= FIRST_REVISION:
            next_revision += 1  # the first revision never had events
        subscription = Subscription(sink, tag, group, self._created, start_revision, next_revision)
        self._all[subscription] = None
        self._place(subscription)
        return subscription

    def cancel(self, subscription: Subscription) -> None:
        """The watcher is no longer interested; its sink is not called again. Nothing happens the second time."""
        if subscription.state is State.GONE:
            return
        self._take_out(subscription)
        subscription.state = State.GONE
        del self._all[subscription]
        group = subscription.group
        group.size -= 1
        if not group.size:
            self._table.remove(group)
            del self._groups[(group.key, group.range_end, group.prev_kv, group.no_put, group.no_delete)]

    def resume(self, subscription: Subscription) -> None:
        """The sink that answered False has room again. Nothing happens where it did not, or is gone."""
        if subscription.is_full and subscription.state is State.UNSYNCED:
            subscription.is_full = False
            self._ready[subscription] = None

    def is_synced(self, subscription: Subscription) -> bool:
        """Whether everything up to `revision` has been delivered (or is, with `flush`).

        False while `revision` is below the start revision that was asked for: no progress is told before it.
        """
        return subscription.state is State.SYNCED and subscription.start_revision <= self.revision

    def __len__(self) -> int:
        return len(self._all)

    def count(self, state: State) -> int:
        """How many subscriptions are in a state. For metrics; O(groups)."""
        synced = sum(len(group.synced) for group in self._groups.values())
        if state is State.SYNCED:
            return synced
        if state is State.FUTURE:
            return len(self._future)
        return len(self._all) - synced - len(self._future) if state is State.UNSYNCED else 0

    # -- events -----------------------------------------------------------------------------------------------------

    def publish(self, revision: int, events: Sequence[Event]) -> None:
        """Takes the events of a revision for every synced watcher that wants them; they hear of it with `flush`.

        Called once for each revision, in order, right after the store made it. No events (a transaction that changed
        nothing): nothing happens. ValueError for any other revision than the next: watchers would lose events.
        """
        if not events:
            return
        if revision != self.revision + 1:
            raise ValueError(f"revision {revision} published after {self.revision}")
        self.revision = revision
        if not self._all:
            return
        find, touched = self._table.find, self._touched
        for event in events:
            is_delete = event.type == DELETE
            for group in find(event.kv.key):
                if not group.synced or (group.no_delete if is_delete else group.no_put):
                    continue
                wire = event.wire_with_prev() if group.prev_kv else event.wire()
                if not group.pending:
                    touched.append(group)
                group.pending.append(wire)
                group.pending_revision = revision
                self._pending_bytes += len(wire)
        if self._future:
            self.flush()
            self._start_future()
        elif self._pending_bytes >= self._limits.max_batch_bytes:
            self.flush()

    def flush(self) -> None:
        """Delivers what was published since the last time: to each watcher at once, whatever the number of revisions."""
        touched = self._touched
        if not touched:
            self._flushed = self.revision
            return
        full: list[Subscription] = []
        for group in touched:
            pending, revision = group.pending, group.pending_revision
            count = len(pending)
            wires = pending[0] if count == 1 else b"".join(pending)
            group.pending = []
            for subscription in group.synced:
                if not subscription.sink.deliver(subscription, revision, wires, count):
                    full.append(subscription)
        self._touched = []
        self._pending_bytes = 0
        if full:
            self._fall_behind(full, self._flushed + 1)
        self._flushed = self.revision

    def catch_up(self) -> bool:
        """One round for the unsynced; -> True when there is more to do at once.

        Looks at the watchers that have waited longest, and walks the history from where the first of them stands; all
        of them that stand within that walk are served by it. Those that stand elsewhere keep their place in front.
        """
        self.flush()
        compacted = self._store.compacted_revision
        chosen = list(islice(self._ready, self._limits.max_watchers_per_round))
        for subscription in chosen:
            if subscription.next_revision < compacted:
                self.cancel(subscription)
                subscription.sink.compacted(subscription, compacted)
        chosen = [subscription for subscription in chosen if subscription.state is State.UNSYNCED]
        if chosen:
            self._serve(chosen)
        return bool(self._ready)

    def _serve(self, chosen: list[Subscription]) -> None:
        """Walks the history once from where chosen[0] stands; its watchers are unsynced, ready and not compacted."""
        limits = self._limits
        first = chosen[0].next_revision
        batches = self._store.batches(first, min(limits.max_batch_revisions, self.revision + 1 - first))
        end = first + len(batches)
        chosen = [subscription for subscription in chosen if first <= subscription.next_revision < end]
        portions = collect(chosen, self._table, first, batches, limits)
        for subscription in chosen:
            del self._ready[subscription]
            portion = portions[(subscription.group, subscription.next_revision)]
            if portion.count and not subscription.sink.deliver(
                subscription, portion.end - 1, portion.joined(), portion.count
            ):
                subscription.is_full = True
                continue
            subscription.next_revision = portion.end
            self._place(subscription)

    def replace_store(self, store: Store) -> None:
        """This member's state came from a snapshot: `store` is what it holds now (it may be the same object, loaded).

        Synced watchers may have missed revisions and become unsynced; nobody loses or repeats an event.
        """
        self.flush()
        for subscription in self._all:
            if subscription.state is State.SYNCED:
                subscription.group.remove_synced(subscription)
                subscription.state = State.UNSYNCED
                subscription.next_revision = self.revision + 1
                self._ready[subscription] = None
        self._store = store
        self.revision = self._flushed = store.revision
        self._start_future()
        for subscription in list(self._ready):
            if subscription.next_revision > self.revision:
                del self._ready[subscription]
                self._place(subscription)

    # -- moving between states --------------------------------------------------------------------------------------

    def _group(self, key: bytes, range_end: bytes, prev_kv: bool, no_put: bool, no_delete: bool) -> Group:
        group_key = (key, range_end, prev_kv, no_put, no_delete)
        group = self._groups.get(group_key)
        if group is None:
            group = self._groups[group_key] = Group(*group_key)
            self._table.add(group)
        return group

    def _place(self, subscription: Subscription) -> None:
        """Puts a subscription that is nowhere where its next revision says."""
        if subscription.next_revision <= self.revision:
            subscription.state = State.UNSYNCED
            self._ready[subscription] = None
        elif subscription.next_revision == self.revision + 1:
            subscription.state = State.SYNCED
            subscription.group.add_synced(subscription)
        else:
            subscription.state = State.FUTURE
            insort(self._future, subscription, key=_when)

    def _take_out(self, subscription: Subscription) -> None:
        """The opposite of _place."""
        if subscription.state is State.SYNCED:
            subscription.group.remove_synced(subscription)
        elif subscription.state is State.FUTURE:
            del self._future[bisect_left(self._future, _when(subscription), key=_when)]
        else:
            self._ready.pop(subscription, None)  # not there while its sink is full

    def _start_future(self) -> None:
        """Those who wait for the next revision are in time; those who wait for an earlier one find it in the history."""
        count = bisect_left(self._future, self.revision + 2, key=_next_revision)
        due = self._future[:count]
        del self._future[:count]
        for subscription in due:
            self._place(subscription)

    def _fall_behind(self, full: list[Subscription], revision: int) -> None:
        """Their sinks had no room for `revision`. All leave their groups in one pass: they may be many."""
        for subscription in full:
            subscription.state = State.UNSYNCED
            subscription.next_revision = revision
            subscription.is_full = True
        for group in dict.fromkeys(subscription.group for subscription in full):
            group.synced = [subscription for subscription in group.synced if subscription.state is State.SYNCED]

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests."""
        self._table._check(list(self._groups.values()))
        synced = [subscription for group in self._groups.values() for subscription in group.synced]
        full = [s for s in self._all if s.state is State.UNSYNCED and s.is_full]
        assert self._touched == [] or self._flushed < self.revision
        assert all(group.pending for group in self._touched)
        placed = [*synced, *self._future, *self._ready, *full]
        assert sorted(s.order for s in placed) == [s.order for s in self._all]
        assert all(s.state is State.SYNCED and not s.is_full for s in synced)
        assert all(s.state is State.FUTURE and s.next_revision > self.revision + 1 for s in self._future)
        assert all(s.state is State.UNSYNCED and not s.is_full for s in self._ready)
        assert all(s.next_revision <= self.revision for s in [*self._ready, *full])
        assert [_when(s) for s in self._future] == sorted(_when(s) for s in self._future)
        for group in self._groups.values():
            assert group.size == sum(s.group is group for s in self._all) > 0
            assert [s.order for s in group.synced] == sorted(s.order for s in group.synced)


_next_revision = attrgetter("next_revision")


def _when(subscription: Subscription) -> tuple[int, int]:
    return (subscription.next_revision, subscription.order)
