"""The accounting of deliveries: who has seen what, how late, how far apart.

    Watchers     per watcher the last revision seen and how many events: what proves that nothing was lost, doubled or swapped
    Deliveries   per process: latencies, lag, spread, late events; worked out once per turn (one read of a socket), for all
                 watchers that got the same batch

    receiver ─▶ lasts / counts / batch.pending ─▶ end_turn(now) ─▶ latencies_us, lags, spreads

A turn's events are all seen at the turn's time: when its bytes were read, not when the generator got round to them.

An event that is not newer than the watcher's last one is late. It is a duplicate if the watcher has everything of its selection
up to its last one, else it is taken to fill a gap: out of order. Both take the slow way, since they must not happen.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable

from kvcluster.load.watching.batch import Batch

MAX_SAMPLED_REVISIONS = 2000


class Watchers:
    """The watchers of one stream, by number from 1. `selects(number)` is a predicate on keys."""

    __slots__ = ("lasts", "counts", "selects")

    def __init__(self, size: int, selects: Callable[[int], Callable[[bytes], bool]]) -> None:
        self.lasts = [0] * (size + 1)
        self.counts = [0] * (size + 1)
        """Events delivered to each, without duplicates."""
        self.selects = selects


class Deliveries:
    def __init__(self) -> None:
        self.touched: list[Batch] = []
        """What the turn under way has delivered to somebody."""
        self.responses = 0
        self.events = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.high = 0
        """The highest revision that anybody in this process has seen."""
        self.first_seen_ns = self.last_seen_ns = 0
        self.latencies_us: dict[int, int] = {}
        """Latency → deliveries, since they were last taken."""
        self.lags: dict[int, int] = {}
        """Revisions that a watcher was behind the highest after a response → how often."""
        self.spreads: dict[int, list[int]] = {}
        """Of the sampled revisions: first and last time of delivery, and how many."""
        self.sampling = 1
        """Revisions that this divides are sampled; it doubles when they become too many."""
        self._revisions_of: dict[bytes, array[int]] = {}

    def enter(self, batch: Batch | None) -> Batch | None:
        """Takes note of a batch that was just parsed."""
        if batch is None or not batch.count:
            return batch
        self.high = max(self.high, batch.last)
        for key, revision in zip(batch.keys, batch.revisions, strict=True):
            known = self._revisions_of.get(key)
            if known is None:
                self._revisions_of[key] = array("q", (revision,))
            elif revision > known[-1]:
                known.append(revision)
            elif known[bisect_left(known, revision)] != revision:
                insort(known, revision)
        sampling = self.sampling
        batch.sampled = [revision for revision in batch.revisions if not revision % sampling]
        return batch

    def late(self, watchers: Watchers, number: int, batch: Batch) -> bool:
        """A batch with something that is not newer than the watcher's last revision, or with nothing of ours in it.

        -> whether it counts as a delivery.
        """
        for revision in batch.revisions:
            last = watchers.lasts[number]
            if revision > last:
                watchers.lasts[number] = revision
            elif watchers.counts[number] >= self._known(watchers.selects(number), last):
                self.duplicates += 1
                continue
            else:
                self.out_of_order += 1
            watchers.counts[number] += 1
        return batch.count > 0

    def _known(self, selects: Callable[[bytes], bool], last: int) -> int:
        """How many events up to revision `last` this process knows that a watcher should have."""
        return sum(bisect_right(known, last) for key, known in self._revisions_of.items() if selects(key))

    def end_turn(self, now_ns: int) -> None:
        """Works out what the turn has delivered."""
        touched = self.touched
        if not touched:
            return
        if not self.first_seen_ns:
            self.first_seen_ns = now_ns
        self.last_seen_ns = now_ns
        high, lags, latencies_us = self.high, self.lags, self.latencies_us
        for batch in touched:
            deliveries, batch.pending = batch.pending, 0
            self.responses += deliveries
            self.events += deliveries * batch.count
            lag = high - batch.last
            lags[lag] = lags.get(lag, 0) + deliveries
            for stamp in batch.stamps:
                latency_us = (now_ns - stamp) // 1000
                latencies_us[latency_us] = latencies_us.get(latency_us, 0) + deliveries
            if batch.sampled:
                self._sample(batch.sampled, now_ns, deliveries)
        touched.clear()

    def _sample(self, revisions: Iterable[int], now_ns: int, deliveries: int) -> None:
        spreads, sampling = self.spreads, self.sampling
        for revision in revisions:
            spread = spreads.get(revision)
            if spread is not None:
                spread[1] = now_ns
                spread[2] += deliveries
            elif not revision % sampling:
                spreads[revision] = [now_ns, now_ns, deliveries]
        if len(spreads) > MAX_SAMPLED_REVISIONS:
            self.sampling *= 2
            self.spreads = {revision: spread for revision, spread in spreads.items() if not revision % self.sampling}

    def take_latencies(self) -> dict[int, int]:
        """Latency in microseconds → deliveries, since it was last asked."""
        taken, self.latencies_us = self.latencies_us, {}
        return taken
