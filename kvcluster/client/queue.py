"""The bounded queue between who receives events and who iterates a watcher.

It never refuses: `put` takes what comes and answers whether the bound is now reached, and it is the producer that stops
(the remote client takes the watcher off its stream, the embedded one tells the hub). `has_drained` then says when to
go on. So the memory of a watcher that nobody reads is the bound plus one batch, and no event is lost.

One reader at a time. After `fail` the reader first gets what is queued, then the error, again and again; after `close`
it gets nothing more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""What a watcher holds for a slow reader. At the bound: see the module's contract."""

MAX_QUEUED_BATCHES = 4096
"""The same, in batches: many small ones cost more than their bytes."""


class WatchQueue(Generic[T]):
    """Batches on their way to one reader. `on_drained` is called from `get` when a full queue is half empty again."""

    __slots__ = ("_items", "_size_bytes", "_max_bytes", "_max_batches", "_is_full", "_waiter", "_error", "_closed",
                 "_on_drained")  # fmt: skip

    def __init__(
        self,
        on_drained: Callable[[], None],
        max_bytes: int = MAX_QUEUED_BYTES,
        max_batches: int = MAX_QUEUED_BATCHES,
    ) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._size_bytes = 0
        self._max_bytes = max_bytes
        self._max_batches = max_batches
        self._is_full = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._on_drained = on_drained

    @property
    def is_full(self) -> bool:
        """The bound was reached, and the reader has not yet made room."""
        return self._is_full

    @property
    def is_over(self) -> bool:
        """Failed or closed: nothing more is taken."""
        return self._closed or self._error is not None

    def put(self, item: T, size_bytes: int) -> bool:
        """Takes a batch; False: that was the last one until `on_drained`. Nothing happens once it is over."""
        if self.is_over:
            return True
        self._items.append((item, size_bytes))
        self._size_bytes += size_bytes
        if self._size_bytes >= self._max_bytes or len(self._items) >= self._max_batches:
            self._is_full = True
        self._wake()
        return not self._is_full

    def fail(self, error: BaseException) -> None:
        """The reader gets `error` after what is queued. The first error counts."""
        if self._error is None:
            self._error = error
        self._wake()

    def close(self) -> None:
        """Ends the iteration at once and frees what is queued."""
        self._closed = True
        self._items.clear()
        self._size_bytes = 0
        self._is_full = False
        self._wake()

    async def get(self) -> T:
        """The next batch. Raises StopAsyncIteration after close, the error after fail; RuntimeError for two readers."""
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            if self._waiter is not None:
                raise RuntimeError("another task already waits for this watcher")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item, size_bytes = self._items.popleft()
        self._size_bytes -= size_bytes
        if self._is_full and self._has_drained():
            self._is_full = False
            self._on_drained()
        return item

    def _has_drained(self) -> bool:
        return self._size_bytes <= self._max_bytes // 2 and len(self._items) <= self._max_batches // 2

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
