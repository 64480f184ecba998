"""What one payload delivers, parsed once for all watchers that get the same bytes.

`BatchMemo` remembers bytes → Batch in two generations: when the young one is full it becomes the old one, and what was not asked
for since then is forgotten. So the memory is bounded, and what is being delivered right now stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MEMO_ENTRIES = 2048
MEMO_BYTES = 8 * 1024 * 1024


class Batch:
    """The events of one payload. `pending`: deliveries of the turn under way, counted by the accounting."""

    __slots__ = ("first", "last", "count", "revisions", "keys", "stamps", "size_bytes", "pending", "sampled")

    def __init__(
        self, revisions: Sequence[int], keys: Sequence[bytes], stamps: Sequence[int], size_bytes: int = 0
    ) -> None:
        self.revisions = revisions
        self.keys = keys
        self.stamps = stamps
        """When each event was written, in nanoseconds of the run's clock."""
        self.size_bytes = size_bytes
        self.count = len(revisions)
        is_ascending = all(map(int.__lt__, revisions, revisions[1:]))
        self.first = revisions[0] if revisions and is_ascending else 0
        """0, which is newer than nothing, where the batch needs a closer look."""
        self.last = max(revisions, default=0)
        self.pending = 0
        self.sampled: Sequence[int] = ()
        """The revisions whose spread over the watchers is measured."""


class BatchMemo:
    """`find(body)`: the body's Batch, parsed where it is not remembered. `parses` counts those."""

    def __init__(
        self,
        parse: Callable[[bytes], Batch | None],
        *,
        max_entries: int = MEMO_ENTRIES,
        max_bytes: int = MEMO_BYTES,
    ) -> None:
        self.parses = 0
        self._parse = parse
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._young: dict[bytes, Batch] = {}
        self._old: dict[bytes, Batch] = {}
        self._young_bytes = 0

    def find(self, body: bytes) -> Batch | None:
        """None: the body is not a run of events; whoever asks looks at the whole payload."""
        batch = self._young.get(body)
        if batch is None:
            batch = self._old.get(body)
            if batch is None:
                self.parses += 1
                batch = self._parse(body)
                if batch is None:
                    return None
            self._remember(body, batch)
        return batch

    def _remember(self, body: bytes, batch: Batch) -> None:
        if len(self._young) >= self._max_entries or self._young_bytes > self._max_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[body] = batch
        self._young_bytes += len(body)
