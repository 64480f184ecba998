"""The accounting of deliveries: who has seen what, how late, how far apart.

    Watchers     per watcher the last revision seen and how many events: what proves that nothing was lost, doubled or swapped
    Deliveries   per process: latencies, lag, spread, late events; worked out once per turn (one read of a socket), for all
                 watchers that got the same batch

    receiver ─▶ lasts / counts / batch.pending ─▶ end_turn() ─▶ recorder.counts, lags, spreads

A turn's events are all seen at the turn's time: when its first message was read, not when the generator got round to the last.

An event that is not newer than the watcher's last one is late. It is a duplicate if the watcher has everything of its selection
up to its last one, else it is taken to fill a gap: out of order. Both take the slow way, since they must not happen.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable

from kvcluster.load.recorder import Recorder
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
    """Latencies go to `recorder`, times are of `now_ns`."""

    def __init__(self, recorder: Recorder, now_ns: Callable[[], int]) -> None:
        self.high = 0
        """The highest revision that anybody in this process has seen."""
        self.duplicates = 0
        self.out_of_order = 0
        self._recorder = recorder
        self._now_ns = now_ns
        self._touched: list[Batch] = []
        """What the turn under way has delivered to somebody."""
        self._turn_ns = 0
        self._revisions_of: dict[bytes, array[int]] = {}
        self.begin()

    def begin(self) -> None:
        """From now on it is measured: the warm-up is over. What was delivered twice or too late stays counted."""
        self.responses = 0
        self.events = 0
        self.first_seen_ns = self.last_seen_ns = 0
        self.lags: dict[int, int] = {}
        """Revisions that a watcher was behind the highest after a response → how often."""
        self.spreads: dict[int, list[int]] = {}
        """Of the sampled revisions: first and last time of delivery, and how many."""
        self.sampling = 1
        """Revisions that this divides are sampled; it doubles when they become too many."""

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

    def touch(self, batch: Batch) -> None:
        """The turn's first delivery of a batch."""
        if not self._touched:
            self._turn_ns = self._now_ns()
        batch.pending = 1
        self._touched.append(batch)

    def deliver(self, watchers: Watchers, number: int, batch: Batch) -> None:
        """One delivery, the slow way; what receivers do by hand."""
        if batch.first > watchers.lasts[number]:
            watchers.lasts[number] = batch.last
            watchers.counts[number] += batch.count
        elif not self.late(watchers, number, batch):
            return
        if batch.pending:
            batch.pending += 1
        else:
            self.touch(batch)

    def end_turn(self) -> None:
        """Works out what the turn has delivered."""
        touched, now_ns = self._touched, self._turn_ns
        if not touched:
            return
        if not self.first_seen_ns:
            self.first_seen_ns = now_ns
        self.last_seen_ns = now_ns
        high, lags, counts = self.high, self.lags, self._recorder.counts
        for batch in touched:
            deliveries, batch.pending = batch.pending, 0
            self.responses += deliveries
            self.events += deliveries * batch.count
            self._recorder.moved_bytes += deliveries * batch.size_bytes
            lag = high - batch.last
            lags[lag] = lags.get(lag, 0) + deliveries
            for stamp in batch.stamps:
                latency_us = (now_ns - stamp) // 1000
                counts[latency_us] = counts.get(latency_us, 0) + deliveries
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
