"""Timers as an input: a clock that can also call back.

Everything in the client wing that waits (back-off, delayed work, heartbeats, stages) asks a `TimerClock`. A running
cluster passes a `LoopClock` (the event loop's own timers); a test passes a `ManualTimerClock` and moves it by hand, so
an hour of heartbeats takes no time and no test sleeps.

Driven by: `LoopClock` by the running event loop, `ManualTimerClock` by `advance`. Neither is thread safe.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any, Protocol

from kvcluster.clock import Clock, ManualClock, SystemClock


class TimerHandle(Protocol):
    """One pending call; cancelling it twice, or after it ran, is harmless."""

    def cancel(self) -> None: ...


class TimerClock(Clock, Protocol):
    """A `kvcluster.clock.Clock` with timers."""

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Calls back once, `delay_s` seconds from now, on the event loop; never synchronously from here."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Returns `delay_s` seconds from now; 0 or less only yields to the loop."""
        ...


class LoopClock(SystemClock):
    """The machine's clock and the running event loop's timers."""

    __slots__ = ()

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s, callback, *args)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class _ManualTimer:
    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualTimerClock(ManualClock):
    """Stands still until `advance`, which runs every timer that falls due, in order of due time and then of creation."""

    __slots__ = ("_sequence", "_timers")

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        super().__init__(now_s)
        self._sequence = 0
        self._timers: list[tuple[float, int, _ManualTimer]] = []

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        timer = _ManualTimer(callback, args)
        self._sequence += 1
        heapq.heappush(self._timers, (self.monotonic_s() + max(delay_s, 0.0), self._sequence, timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()

    def next_due_s(self) -> float | None:
        """Seconds until the earliest pending timer, or None where none is pending."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] - self.monotonic_s() if self._timers else None

    def advance(self, seconds: float) -> None:
        """Moves time on and runs what falls due; a timer that a callback adds within the step runs in the step too.

        Coroutines that were woken run when the caller next yields to the loop. Raises ValueError for a negative step.
        """
        if seconds < 0:
            raise ValueError("a clock does not go back")
        end_s = self.monotonic_s() + seconds
        while self._timers and self._timers[0][0] <= end_s:
            due_s, _, timer = heapq.heappop(self._timers)
            if timer.cancelled:
                continue
            super().advance(max(due_s - self.monotonic_s(), 0.0))
            timer.callback(*timer.args)
        super().advance(max(end_s - self.monotonic_s(), 0.0))


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
