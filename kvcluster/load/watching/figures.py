"""Shares of a watch run → the "watch" block of its result.

A share is plain JSON: `share_of` makes a reader's; the writer's has "puts", "first_put_ns" and "last_put_ns". Times of all
processes are of one clock. The skew of a revision is the time between its first and its last delivery anywhere; revisions that
only one watcher gets have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kvcluster.load.watching.deliveries import Deliveries

Share = Mapping[str, Any]
COUNTERS = ("watchers", "streams", "delivered", "responses", "expected", "lost", "duplicates", "out_of_order", "puts")


def share_of(deliveries: Deliveries) -> dict[str, Any]:
    """What a reading process has counted; watchers, streams, expected and lost are added by whoever knows them."""
    return {
        "delivered": deliveries.events,
        "responses": deliveries.responses,
        "duplicates": deliveries.duplicates,
        "out_of_order": deliveries.out_of_order,
        "first_seen_ns": deliveries.first_seen_ns,
        "last_seen_ns": deliveries.last_seen_ns,
        "sampling": deliveries.sampling,
        "spreads": [[revision, *spread] for revision, spread in deliveries.spreads.items()],
        "lags": sorted(deliveries.lags.items()),
    }


def merge(shares: Sequence[Share]) -> dict[str, Any]:
    """The "watch" block."""
    sums = {name: sum(share.get(name, 0) for share in shares) for name in COUNTERS}
    writing_s = _span_s(shares, "first_put_ns", "last_put_ns")
    responses = sums.pop("responses")
    return {
        **sums,
        "puts_per_s": sums["puts"] / writing_s if writing_s else 0.0,
        "fan_out": sums["delivered"] / sums["puts"] if sums["puts"] else 0.0,
        "events_per_response": sums["delivered"] / responses if responses else 0.0,
        "delivering_s": _span_s(shares, "first_put_ns", "last_seen_ns"),
        "skew_ms": _percentiles(_skews_ms(shares)),
        "lag_revisions": _percentiles(_lags(shares)),
    }


def _span_s(shares: Sequence[Share], first: str, last: str) -> float:
    """From the earliest `first` to the latest `last` of all shares, in seconds; 0 where either is missing."""
    firsts = [share[first] for share in shares if share.get(first)]
    lasts = [share[last] for share in shares if share.get(last)]
    return max(max(lasts) - min(firsts), 0) / 1e9 if firsts and lasts else 0.0


def _skews_ms(shares: Sequence[Share]) -> dict[float, int]:
    sampling = max((share.get("sampling", 1) for share in shares), default=1)
    merged: dict[int, tuple[int, int, int]] = {}
    for share in shares:
        for revision, first, last, count in share.get("spreads", ()):
            if not revision % sampling:
                known = merged.get(revision, (first, last, 0))
                merged[revision] = (min(known[0], first), max(known[1], last), known[2] + count)
    return _counted((last - first) / 1e6 for first, last, count in merged.values() if count > 1)


def _lags(shares: Sequence[Share]) -> dict[float, int]:
    merged: dict[float, int] = {}
    for share in shares:
        for lag, count in share.get("lags", ()):
            merged[lag] = merged.get(lag, 0) + count
    return merged


def _counted(values: Iterable[float]) -> dict[float, int]:
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _percentiles(counts: Mapping[float, int]) -> dict[str, float]:
    """The smallest value that covers the share of all."""
    total = sum(counts.values())
    found = {"p50": 0.0, "p99": 0.0, "max": max(counts, default=0.0)}
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        seen = 0
        for value in sorted(counts):
            seen += counts[value]
            if seen >= part * total:
                found[name] = value
                break
    return found
