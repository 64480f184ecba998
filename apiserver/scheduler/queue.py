"""The pods that wait for a node.

                  add ──▶ gated (pre_enqueue refused; an update of the pod asks again)
                   │
                   ▼               pop                        unschedulable
                active ───────────────────────▶ in flight ──────────────────────▶ unschedulable
                   ▲                                │ error                           │ an event that can help,
                   │  backoff over                  ▼                                 │ or max_unschedulable_s over
                   └────────────────────────── backoff ◀──────────────────────────────┘

`active` is a heap by the profile's sort key. A pod that could not be placed waits until something happens that could
help it (its refusing plugins' `events`), then for its backoff: 1 s, doubling, at most 10 s. An event that comes while the pod is
in flight counts too: such a pod goes to backoff, not to unschedulable, so no event is missed between look and park.

Reads the injected clock; no tasks. The scheduler asks `next_due_s()` when to look again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from typing import Any

from apiserver.scheduler.pod_info import PodInfo
from kvcluster.clock import Clock

Key = tuple[str, str]
ANY_EVENT = "*"


class QueuedPod:
    """A pod and its history in the queue. `refused_by`: events that can help, or {"*"} after an error."""

    __slots__ = ("info", "added_s", "parked_s", "attempts", "helped_by", "due_s")

    def __init__(self, info: PodInfo, now_s: float) -> None:
        self.info = info
        self.added_s = now_s
        self.parked_s = now_s
        self.attempts = 0
        self.helped_by: Collection[str] = ()
        self.due_s = 0.0


class SchedulingQueue:
    """See the module. `sort_key(info, added_s)` orders `active`; `is_gated(info)` is the profiles' pre_enqueue."""

    def __init__(
        self,
        clock: Clock,
        sort_key: Callable[[PodInfo, float], tuple[Any, ...]],
        is_gated: Callable[[PodInfo], bool],
        *,
        initial_backoff_s: float = 1.0,
        max_backoff_s: float = 10.0,
        max_unschedulable_s: float = 300.0,
    ) -> None:
        self._clock = clock
        self._sort_key = sort_key
        self._is_gated = is_gated
        self._initial_backoff_s = initial_backoff_s
        self._max_backoff_s = max_backoff_s
        self._max_unschedulable_s = max_unschedulable_s
        self._pods: dict[Key, QueuedPod] = {}
        self._active: list[tuple[Any, ...]] = []
        self._active_keys: dict[Key, int] = {}
        self._backoff: list[tuple[float, int, Key]] = []
        self._unschedulable: dict[Key, QueuedPod] = {}
        self._gated: dict[Key, QueuedPod] = {}
        self._in_flight: dict[Key, list[str]] = {}
        self._sequence = 0

    def __len__(self) -> int:
        """Pods known to the queue, in flight included."""
        return len(self._pods)

    def counts(self) -> dict[str, int]:
        """How many pods stand where: active, backoff, unschedulable, gated, in flight."""
        parked = len(self._unschedulable) + len(self._gated) + len(self._in_flight) + len(self._active_keys)
        return {
            "active": len(self._active_keys),
            "backoff": len(self._pods) - parked,
            "unschedulable": len(self._unschedulable),
            "gated": len(self._gated),
            "in_flight": len(self._in_flight),
        }

    def add(self, info: PodInfo) -> None:
        """A pod without a node appeared, or its object changed."""
        known = self._pods.get(info.key)
        if known is not None and known.info.uid == info.uid:
            self._update(known, info)
            return
        if known is not None:
            self.remove(info.key)
        queued = self._pods[info.key] = QueuedPod(info, self._clock.monotonic_s())
        self._admit(queued)

    def _admit(self, queued: QueuedPod) -> None:
        if self._is_gated(queued.info):
            self._gated[queued.info.key] = queued
        else:
            self._activate(queued)

    def _update(self, queued: QueuedPod, info: PodInfo) -> None:
        spec_changed = queued.info.spec != info.spec or queued.info.labels != info.labels
        queued.info = info
        key = info.key
        if key in self._gated:
            del self._gated[key]
            self._admit(queued)
        elif spec_changed and key in self._unschedulable:
            self._wait_out(self._unschedulable.pop(key))
        elif spec_changed and key in self._in_flight:
            self._in_flight[key].append(ANY_EVENT)

    def remove(self, key: Key) -> None:
        """The pod was deleted, or has a node now."""
        self._pods.pop(key, None)
        self._active_keys.pop(key, None)
        self._unschedulable.pop(key, None)
        self._gated.pop(key, None)
        self._in_flight.pop(key, None)

    def _activate(self, queued: QueuedPod) -> None:
        self._sequence += 1
        key = queued.info.key
        self._active_keys[key] = self._sequence
        heapq.heappush(self._active, (*self._sort_key(queued.info, queued.added_s), self._sequence, key))

    def _wait_out(self, queued: QueuedPod) -> None:
        """To active if the backoff is over, else to backoff."""
        queued.due_s = queued.parked_s + self.backoff_s(queued.attempts)
        if queued.due_s <= self._clock.monotonic_s():
            self._activate(queued)
            return
        self._sequence += 1
        heapq.heappush(self._backoff, (queued.due_s, self._sequence, queued.info.key))

    def backoff_s(self, attempts: int) -> float:
        """1, 2, 4, 8, 10, 10 … seconds after the first, second … failed attempt."""
        return min(self._initial_backoff_s * 2 ** max(attempts - 1, 0), self._max_backoff_s) if attempts else 0.0

    def pop(self) -> QueuedPod | None:
        """The next pod to place, now in flight; None when none is ready. Every pop ends in `done` or `park`."""
        self._flush()
        while self._active:
            *_, sequence, key = heapq.heappop(self._active)
            if self._active_keys.get(key) == sequence:
                del self._active_keys[key]
                queued = self._pods[key]
                queued.attempts += 1
                self._in_flight[key] = []
                return queued
        return None

    def done(self, key: Key) -> None:
        """The pod in flight has a node, or is none of ours any more."""
        self.remove(key)

    def park(self, queued: QueuedPod, helped_by: Collection[str]) -> None:
        """The pod in flight could not be placed. `helped_by`: events that may help; {"*"} retries after the backoff."""
        key = queued.info.key
        missed = self._in_flight.pop(key, None)
        if missed is None or self._pods.get(key) is not queued:
            return
        queued.parked_s = self._clock.monotonic_s()
        queued.helped_by = helped_by
        if ANY_EVENT in helped_by or ANY_EVENT in missed or any(event in helped_by for event in missed):
            self._wait_out(queued)
        else:
            self._unschedulable[key] = queued

    def happened(self, event: str) -> None:
        """Something changed in the cluster ("Node/Add", "Pod/Delete", …): those it can help move on."""
        for events in self._in_flight.values():
            events.append(event)
        moved = [q for q in self._unschedulable.values() if event in q.helped_by]
        for queued in moved:
            del self._unschedulable[queued.info.key]
            self._wait_out(queued)

    def _flush(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._backoff and self._backoff[0][0] <= now_s:
            due_s, _, key = heapq.heappop(self._backoff)
            queued = self._pods.get(key)
            if queued is not None and queued.due_s == due_s and not self._stands_elsewhere(key):
                self._activate(queued)
        stale = [q for q in self._unschedulable.values() if now_s - q.parked_s >= self._max_unschedulable_s]
        for queued in stale:
            del self._unschedulable[queued.info.key]
            self._activate(queued)

    def _stands_elsewhere(self, key: Key) -> bool:
        return key in self._active_keys or key in self._unschedulable or key in self._gated or key in self._in_flight

    def next_due_s(self) -> float | None:
        """Seconds until a waiting pod becomes active by time alone; 0 when one is ready; None when none will."""
        if self._active_keys:
            return 0.0
        now_s = self._clock.monotonic_s()
        due = [q.parked_s + self._max_unschedulable_s for q in self._unschedulable.values()]
        due += [due_s for due_s, _, key in self._backoff[:1]]
        return max(min(due) - now_s, 0.0) if due else None
