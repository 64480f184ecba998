"""Every change since the compacted revision, by revision: what a late watcher is caught up from.

Each main revision has at least one event and revisions have no gaps (only a change makes a revision), so the events
of revision r lie at position r - first: finding where to start is one subtraction, whatever the length.

Compaction drops from the front. The list keeps an offset and is cut only when half of it is dead, so a drop costs
O(dropped) and not O(left).

Memory: an event's encoded bytes are for the watchers of the moment. They are freed in blocks once the event lies
WIRE_WINDOW revisions back; a watcher that is further behind has them made again. So the history holds each value
once, not three times.
"""

from __future__ import annotations

from kvcluster.mvcc.records import Event

WIRE_WINDOW = 1024

Batch = tuple[Event, ...]


class History:
    """The events of revisions `first` .. `last`; empty when last == first - 1."""

    __slots__ = ("first", "_batches", "_dropped", "_forget_at")

    def __init__(self, first: int) -> None:
        self.first = first
        self._batches: list[Batch] = []
        self._dropped = 0  # batches at the front of the list that are no longer part of the history
        self._forget_at = 2 * WIRE_WINDOW

    @property
    def last(self) -> int:
        return self.first + len(self._batches) - self._dropped - 1

    def append(self, batch: Batch) -> None:
        """The events of revision last + 1, in the order in which they happened."""
        batches = self._batches
        batches.append(batch)
        if len(batches) >= self._forget_at:
            self._forget_wires()

    def at(self, revision: int) -> Batch:
        """The events of one revision; none where it is not (or no longer, or not yet) part of the history."""
        return self.batches(revision, 1)[0] if self.first <= revision <= self.last else ()

    def batches(self, from_revision: int, limit: int) -> list[Batch]:
        """The events of revisions from_revision, from_revision + 1, ...: at most `limit` of them.

        from_revision is not below `first`.
        """
        start = from_revision - self.first + self._dropped
        return self._batches[start : start + limit]

    def drop_before(self, revision: int) -> None:
        """Forgets every revision below `revision`."""
        count = min(revision, self.last + 1) - self.first
        if count <= 0:
            return
        batches = self._batches
        self.first += count
        start = self._dropped
        batches[start : start + count] = [()] * count  # frees the events now; the list itself is cut below
        self._dropped += count
        if self._dropped * 2 >= len(batches):
            self._forget_at -= self._dropped
            del batches[: self._dropped]
            self._dropped = 0

    def _forget_wires(self) -> None:
        end = self._forget_at - WIRE_WINDOW
        for batch in self._batches[max(0, end - WIRE_WINDOW) : end]:
            for event in batch:
                event.forget_wires()
        self._forget_at = max(self._forget_at + WIRE_WINDOW, len(self._batches) + 1)

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests."""
        assert 0 <= self._dropped <= len(self._batches)
        for offset, batch in enumerate(self._batches[self._dropped :]):
            assert batch, "a revision without a change"
            for event in batch:
                assert event.kv.mod_revision == self.first + offset
