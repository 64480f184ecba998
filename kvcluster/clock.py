"""Time as an input: the only module below the shell that reads the system's clock.

Everything that needs the time is given a `Clock`. Tests and the simulator pass a `ManualClock` and move it by hand;
servers pass a `SystemClock`. Pure floors do not even take a clock: they are ticked.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch, and seconds that never go back."""

    def now_s(self) -> float: ...

    def monotonic_s(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until `advance` is called."""

    __slots__ = ("_now_s", "_monotonic_s")

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._monotonic_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Moves both readings forward. Raises ValueError for a negative step."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now_s += seconds
        self._monotonic_s += seconds
