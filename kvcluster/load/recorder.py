"""Latencies and errors of one worker: counted by microsecond on the hot path, sorted into a histogram once a second.

    begin (the warm-up is over) ─▶ count, count, …  ─▶ tick (a second is over) ─▶ …  ─▶ share

HdrHistogram (three significant digits, 1 µs to 60 s) is the `hdrhistogram` package; recording into it costs a microsecond, so
equal values of a second are recorded together. Shares are plain JSON and add up: that is how workers are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hdrh.histogram import HdrHistogram

HIGHEST_US = 60_000_000
DIGITS = 3
MAX_ERROR_TEXTS = 100
OTHER_ERRORS = "(other errors)"
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99))

Share = Mapping[str, Any]


def new_histogram() -> Any:
    return HdrHistogram(1, HIGHEST_US, DIGITS)


class Recorder:
    """See the module. `counts` (latency in µs → how often, this second) and `moved_bytes` are written by hot loops directly:

    counts[us] = counts.get(us, 0) + 1
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The warm-up is over: what was counted until now is forgotten."""
        self.counts: dict[int, int] = {}
        self.moved_bytes = 0
        self.operations = 0
        """Of the seconds that are over."""
        self.errors = 0
        self.error_texts: dict[str, int] = {}
        self.timeline: list[dict[str, Any]] = []
        self._histogram = new_histogram()
        self._second_errors = 0

    def count(self, latency_us: int, times: int = 1) -> None:
        self.counts[latency_us] = self.counts.get(latency_us, 0) + times

    def count_all(self, latencies_us: Mapping[int, int]) -> None:
        """Latency in µs → how often, all at once."""
        for latency_us, times in latencies_us.items():
            self.count(latency_us, times)

    def fail(self, text: str) -> None:
        """An operation that did not succeed. At most MAX_ERROR_TEXTS different texts are kept apart."""
        self.errors += 1
        self._second_errors += 1
        if text not in self.error_texts and len(self.error_texts) >= MAX_ERROR_TEXTS:
            text = OTHER_ERRORS
        self.error_texts[text] = self.error_texts.get(text, 0) + 1

    def tick(self) -> None:
        """A second of the run is over."""
        counts, self.counts = self.counts, {}
        second = {"s": len(self.timeline), "ops": 0, "errors": self._second_errors}
        self._second_errors = 0
        record = self._histogram.record_value
        for latency_us, times in counts.items():
            record(min(max(latency_us, 1), HIGHEST_US), times)
        second["ops"] = operations = sum(counts.values())
        self.operations += operations
        self.timeline.append({**second, **_spread(counts, operations)})

    def share(self) -> dict[str, Any]:
        """What there is, for `merge`. Closes the second under way."""
        if self.counts or self._second_errors:
            self.tick()
        return {
            "operations": self.operations,
            "errors": self.errors,
            "error_texts": dict(self.error_texts),
            "moved_bytes": self.moved_bytes,
            "timeline": self.timeline,
            "histogram": self._histogram.encode().decode("ascii"),
        }


def _spread(counts: Mapping[int, int], total: int) -> dict[str, float]:
    found = {"p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}
    if total:
        seen, wanted = 0, [("p50_ms", 0.5 * total), ("p99_ms", 0.99 * total)]
        for latency_us in sorted(counts):
            seen += counts[latency_us]
            while wanted and seen >= wanted[0][1]:
                found[wanted.pop(0)[0]] = latency_us / 1e3
        found["max_ms"] = max(counts) / 1e3
    return found


def merge(shares: Sequence[Share]) -> dict[str, Any]:
    """Shares of workers that ran at the same time → one share; `latency_ms` is added."""
    histogram = new_histogram()
    texts: dict[str, int] = {}
    for share in shares:
        if share["operations"]:  # an empty one would make the smallest value 0
            histogram.decode_and_add(share["histogram"])
        for text, times in share["error_texts"].items():
            texts[text] = texts.get(text, 0) + times
    return {
        "operations": sum(share["operations"] for share in shares),
        "errors": sum(share["errors"] for share in shares),
        "error_texts": texts,
        "moved_bytes": sum(share["moved_bytes"] for share in shares),
        "timeline": _merge_timelines([share["timeline"] for share in shares]),
        "histogram": histogram.encode().decode("ascii"),
        "latency_ms": latencies_ms(histogram),
    }


def _merge_timelines(timelines: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Second by second. Percentiles of several workers: the mean, weighted by operations; exact ones are in the histogram."""
    merged: dict[int, dict[str, Any]] = {}
    for timeline in timelines:
        for row in timeline:
            known = merged.get(row["s"])
            if known is None:
                merged[row["s"]] = dict(row)
                continue
            ops = known["ops"] + row["ops"]
            for name in ("p50_ms", "p99_ms"):
                if ops:
                    known[name] = (known[name] * known["ops"] + row[name] * row["ops"]) / ops
            known["max_ms"] = max(known["max_ms"], row["max_ms"])
            known["ops"] = ops
            known["errors"] += row["errors"]
    return [merged[second] for second in sorted(merged)]


def latencies_ms(histogram: Any) -> dict[str, float]:
    """mean, min, the percentiles, max and standard deviation of a histogram in µs; zeros where it is empty."""
    if not histogram.get_total_count():
        return dict.fromkeys(("mean", "min", "stddev", *(name for name, _ in PERCENTILES), "max"), 0.0)
    found = {
        "mean": histogram.get_mean_value() / 1e3,
        "min": histogram.get_min_value() / 1e3,
        "stddev": histogram.get_stddev() / 1e3,
    }
    found.update((name, histogram.get_value_at_percentile(percent) / 1e3) for name, percent in PERCENTILES)
    found["max"] = histogram.get_max_value() / 1e3
    return {name: round(value, 4) for name, value in found.items()}


def decode_histogram(encoded: str) -> Any:
    """Raises ValueError for what is no histogram."""
    histogram = new_histogram()
    try:
        histogram.decode_and_add(encoded)
    except Exception as error:  # the library raises whatever zlib, base64 and struct do
        raise ValueError(f"not an encoded histogram: {error}") from error
    return histogram
