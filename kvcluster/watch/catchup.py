"""One walk through the history for many late watchers.

What it is: a pure function of some batches of events and of the watchers that want parts of them. What it is not: it
moves no watcher; hub.py does that with what comes back.

Watchers of one group that wait for the same revision share one `Portion`, and so one bytes object.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.mvcc import DELETE, Batch
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

    def add(self, revision: int, event: bytes, max_bytes: int) -> None:
        """Takes an event; or closes before its revision, if the portion has grown to max_bytes by the one before."""
        if self._size_bytes >= max_bytes and revision != self._last:
            self.end = revision
            self.is_closed = True
            return
        self._pieces.append(event)
        self._size_bytes += len(event)
        self._last = revision
        self.count += 1

    def joined(self) -> bytes:
        """All its events, spliced; made once."""
        if self._joined is None:
            self._joined = b"".join(self._pieces)
        return self._joined


def collect(
    subscriptions: Sequence[Subscription], table: GroupTable, first: int, batches: Sequence[Batch], max_bytes: int
) -> dict[tuple[Group, int], Portion]:
    """-> (group, next revision) -> what its subscriptions get of `batches`, the first of which is revision `first`.

    Every subscription's next revision lies in first .. first + len(batches) - 1.
    """
    end = first + len(batches)
    portions: dict[tuple[Group, int], Portion] = {}
    of_group: dict[Group, list[Portion]] = {}
    for subscription in subscriptions:
        place = (subscription.group, subscription.next_revision)
        if place not in portions:
            portion = portions[place] = Portion(subscription.next_revision, end)
            of_group.setdefault(subscription.group, []).append(portion)
    for revision, batch in enumerate(batches, first):
        for event in batch:
            is_delete = event.type == DELETE
            for group in table.find(event.kv.key):
                if group not in of_group or (group.no_delete if is_delete else group.no_put):
                    continue
                wire = event.wire_with_prev() if group.prev_kv else event.wire()
                for portion in of_group[group]:
                    if portion.start <= revision and not portion.is_closed:
                        portion.add(revision, wire, max_bytes)
    return portions
