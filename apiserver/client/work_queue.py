"""Keys to be reconciled: each at most once in the queue, and never by two workers at a time.

    add ──► waiting ──get──► processing ──done──► gone
              ▲                  │ add while processing
              └──────done────────┘ (once, however many adds came)

`add_after` delays an add, `add_rate_limited` delays it by 5 ms · 2ⁿ up to 1000 s, n being how often that key failed
since `forget` (client-go's ItemExponentialFailureRateLimiter). An add that is due earlier than a pending delayed one
of the same key wins; both need not run.

Driven by: informer handlers (add), workers (get, then always done). One event loop, no threads.
Source of the rules: client-go util/workqueue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from apiserver.client.timing import TimerClock, TimerHandle

Key = TypeVar("Key", bound=Hashable)

BASE_DELAY_S = 0.005
MAX_DELAY_S = 1000.0


class QueueClosedError(Exception):
    """get() on a queue that was closed and is empty."""


class WorkQueue(Generic[Key]):
    """See the module. `len(queue)` counts waiting keys only."""

    def __init__(
        self, clock: TimerClock, *, base_delay_s: float = BASE_DELAY_S, max_delay_s: float = MAX_DELAY_S
    ) -> None:
        self._clock = clock
        self._base_delay_s = base_delay_s
        self._max_delay_s = max_delay_s
        self._waiting: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._processing: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, tuple[float, TimerHandle]] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Key) -> None:
        """Queues the key, unless it is waiting already. While it is being processed, it is queued at `done`."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._push(key)

    def add_after(self, key: Key, delay_s: float) -> None:
        """Adds the key `delay_s` seconds from now; of several pending delays for one key the earliest counts."""
        if self._closed:
            return
        if delay_s <= 0:
            self.add(key)
            return
        due_s = self._clock.monotonic_s() + delay_s
        pending = self._delayed.get(key)
        if pending is not None:
            if pending[0] <= due_s:
                return
            pending[1].cancel()
        self._delayed[key] = (due_s, self._clock.call_later(delay_s, self._due, key))

    def add_rate_limited(self, key: Key) -> None:
        """Adds the key after its own exponential back-off; a worker calls this when reconcile raised."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is capped before the power is taken: 2.0 ** 2000 raises OverflowError.
        self.add_after(key, min(self._base_delay_s * 2.0 ** min(failures, 64), self._max_delay_s))

    def forget(self, key: Key) -> None:
        """Starts the key's back-off anew; a worker calls this when reconcile succeeded."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> Key:
        """The key that waited longest; it stays processing until `done`. Raises QueueClosedError."""
        while not self._waiting:
            if self._closed:
                raise QueueClosedError
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                # A wake-up that arrived together with the cancellation is handed on, or a key would wait for nobody.
                if getter.done() and not getter.cancelled():
                    self._wake_one()
                raise
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: Key) -> None:
        """The worker has finished with the key, well or not."""
        self._processing.discard(key)
        if key in self._dirty:
            self._push(key)

    def close(self) -> None:
        """Takes no more keys, drops the delayed ones and lets every waiting get() go."""
        self._closed = True
        for _, timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()
        while self._getters:
            self._wake_one()

    def is_idle(self) -> bool:
        """Nothing waits and nothing is processed; delayed keys may be pending."""
        return not self._waiting and not self._processing

    def _push(self, key: Key) -> None:
        self._waiting.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _due(self, key: Key) -> None:
        self._delayed.pop(key, None)
        self.add(key)
