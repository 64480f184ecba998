"""Python's cyclic collector beside a store of millions of records: no collection may hold the loop up.

A collection looks at every tracked object of its generation. Records are such objects, they stay for hours, and none of
them is ever part of a cycle: they go by their reference counts. So looking at them is lost time, 50 ns each: a full
collection of a million keys is a pause of 100 ms and more.

    the young are collected often, and the middle soon after     some thousand objects, some milliseconds
    one that took longer than LONG_S found many that live        gc.freeze(): nobody looks at them again
    the rest                                                     is collected as ever, and is little

What is given up: a cycle that dies after it was frozen is not found before the server stops. Frozen are the things that
live while a store grows by some ten thousand records; a small server never freezes anything but what was there at its
start. What comes and goes for as long as a server runs are connections, calls and watchers, and those take themselves
apart when they end (ServerConnection.dismantle), which a test sees to.

The collector is the process's: the last server that stops puts it back as it was before the first.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

YOUNG = 4_000
"""Objects made, and not gone again, between two collections of the young."""

MIDDLE = 0
"""Every other collection is one of the middle: it looks at 2 * YOUNG objects at most."""

OLD = 30
LONG_S = 0.002


_running: list[Collector] = []
_before = gc.get_threshold()


class Collector:
    """See the module. clock: processor time, since waiting for a processor says nothing about objects."""

    def __init__(self, clock: Callable[[], float] = time.thread_time, freeze: Callable[[], object] = gc.freeze) -> None:
        self.freezes = 0
        self._clock = clock
        self._freeze = freeze
        self._began_s = 0.0

    def start(self) -> None:
        """What is there now is there to stay."""
        global _before
        if not _running:
            _before = gc.get_threshold()
        _running.append(self)
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        gc.freeze()
        gc.callbacks.append(self.on_collection)

    def stop(self) -> None:
        """Safe to call twice, or without a start."""
        if self not in _running:
            return
        _running.remove(self)
        gc.callbacks.remove(self.on_collection)
        if not _running:
            gc.set_threshold(*_before)
            gc.unfreeze()

    def on_collection(self, phase: str, info: Mapping[str, Any]) -> None:
        """gc's callback, before and after each collection. The young are frozen when they have become old."""
        if phase == "start":
            self._began_s = self._clock()
        elif info["generation"] > 0 and self._clock() - self._began_s > LONG_S:
            self.freezes += 1
            self._freeze()
