"""One walk through the history for many late watchers.

What it is: a pure function of some batches of events and of the watchers that want parts of them. What it is not: it
moves no watcher; hub.py does that with what comes back.

Watchers of one group that wait for the same revision share one `Portion`, and so one bytes object.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.mvcc import DELETE, Batch, Event
from kvcluster.watch.limits import WatchLimits
from kvcluster.watch.ranges import GroupTable
from kvcluster.watch.subscription import Group, Subscription


class Portion:
    """The events of one group from revision `start` up to, not including, revision `end`: whole revisions only."""

    __slots__ = ("start", "end", "count", "is_closed", "_pieces", "_size_bytes", "_last", "_joined")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.count = 0
        self.is_closed = False
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._last = 0
        self._joined: bytes | None = None

    def add(self, revision: int, event: bytes, max_bytes: int) -> int:
        """Takes an event, -> its size; or closes before its revision, -> 0, when what it has reaches max_bytes."""
        if self._size_bytes >= max_bytes and revision != self._last:
            self.close(revision)
            return 0
        self._pieces.append(event)
        self._size_bytes += len(event)
        self._last = revision
        self.count += 1
        return len(event)

    def close(self, end: int) -> None:
        """Ends before revision `end`; one that had not begun by then stays empty."""
        self.end = max(self.start, end)
        self.is_closed = True

    def joined(self) -> bytes:
        """All its events, spliced; made once."""
        if self._joined is None:
            self._joined = b"".join(self._pieces)
        return self._joined


def collect(
    subscriptions: Sequence[Subscription],
    table: GroupTable,
    first: int,
    batches: Sequence[Batch],
    limits: WatchLimits,
) -> dict[tuple[Group, int], Portion]:
    """-> (group, next revision) -> what its subscriptions get of `batches`, the first of which is revision `first`.

    Every subscription's next revision lies in first .. first + len(batches) - 1.
    """
    portions: dict[tuple[Group, int], Portion] = {}
    of_group: dict[Group, list[Portion]] = {}
    for subscription in subscriptions:
        place = (subscription.group, subscription.next_revision)
        if place not in portions:
            portion = portions[place] = Portion(subscription.next_revision, first + len(batches))
            of_group.setdefault(subscription.group, []).append(portion)
    size_bytes = 0
    for revision, batch in enumerate(batches, first):
        for event in batch:
            size_bytes += _add(event, revision, table, of_group, limits.max_batch_bytes)
        if size_bytes >= limits.max_round_bytes:
            for portion in portions.values():
                if not portion.is_closed:
                    portion.close(revision + 1)
            break
    return portions


def _add(event: Event, revision: int, table: GroupTable, of_group: dict[Group, list[Portion]], max_bytes: int) -> int:
    """Adds one event to the portions that want it; -> how many bytes that is together."""
    size_bytes = 0
    is_delete = event.type == DELETE
    for group in table.find(event.kv.key):
        if group not in of_group or (group.no_delete if is_delete else group.no_put):
            continue
        wire = event.wire_with_prev() if group.prev_kv else event.wire()
        for portion in of_group[group]:
            if portion.start <= revision and not portion.is_closed:
                size_bytes += portion.add(revision, wire, max_bytes)
    return size_bytes
