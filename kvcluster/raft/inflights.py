"""The sliding window of append messages that a member has been sent and has not acknowledged.

One number a message: the index of its last entry. Acknowledgements are cumulative, so a window is a queue that is
emptied from the left. The bound is what keeps a slow member from filling the leader's memory and the network with
copies of the log (messages × Config.max_message_size_bytes).
"""

from __future__ import annotations

from collections import deque


class Inflights:
    """At most `limit` messages. Invariant: the indexes increase strictly."""

    __slots__ = ("_last_indexes", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._last_indexes: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._last_indexes)

    @property
    def is_full(self) -> bool:
        return len(self._last_indexes) >= self.limit

    def add(self, last_index: int) -> None:
        """Notes a message just sent. Raises ValueError when full: the sender must have asked."""
        if self.is_full:
            raise ValueError("the window is full")
        self._last_indexes.append(last_index)

    def free_to(self, index: int) -> None:
        """Frees every message whose last entry is at or below `index`."""
        window = self._last_indexes
        while window and window[0] <= index:
            window.popleft()

    def clear(self) -> None:
        self._last_indexes.clear()

    def _check(self) -> None:
        indexes = list(self._last_indexes)
        assert len(indexes) <= self.limit
        assert all(a < b for a, b in zip(indexes, indexes[1:], strict=False))
