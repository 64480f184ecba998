"""Latencies: what is merged is what was counted, whoever counted it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster.load.recorder import HIGHEST_US, MAX_ERROR_TEXTS, OTHER_ERRORS, Recorder, decode_histogram, merge

LATENCIES = st.lists(st.integers(1, HIGHEST_US), max_size=200)


def filled(seconds: list[list[int]]) -> Recorder:
    recorder = Recorder()
    for second in seconds:
        for latency_us in second:
            recorder.count(latency_us)
        recorder.tick()
    return recorder


def within_digits(found: float, wanted: float) -> bool:
    """Three significant digits."""
    return abs(found - wanted) <= wanted / 1000 + 1e-6


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(LATENCIES, max_size=4), min_size=1, max_size=3))
def test_merged_shares_are_the_histogram_of_everything(workers: list[list[list[int]]]):
    everything = sorted(us for worker in workers for second in worker for us in second)
    merged = merge([json.loads(json.dumps(filled(worker).share())) for worker in workers])
    assert merged["operations"] == len(everything)
    assert sum(row["ops"] for row in merged["timeline"]) == len(everything)
    assert len(merged["timeline"]) == max(map(len, workers))
    latency = merged["latency_ms"]
    if everything:
        assert within_digits(latency["max"], everything[-1] / 1e3)
        assert within_digits(latency["p50"], everything[(len(everything) - 1) // 2] / 1e3)
        assert (
            latency["p50"]
            <= latency["p90"]
            <= latency["p99"]
            <= latency["p99.9"]
            <= latency["p99.99"]
            <= latency["max"]
        )
    assert decode_histogram(merged["histogram"]).get_total_count() == len(everything)


def test_a_second_has_its_own_percentiles():
    (row,) = filled([[*range(1, 101)]]).share()["timeline"]
    assert row == {"s": 0, "ops": 100, "errors": 0, "p50_ms": 0.05, "p99_ms": 0.099, "max_ms": 0.1}


def test_the_warm_up_is_forgotten():
    recorder = filled([[5, 6, 7]])
    recorder.fail("too early")
    recorder.begin()
    recorder.count(9)
    share = recorder.share()
    assert share["operations"] == 1 and share["errors"] == 0 and len(share["timeline"]) == 1


def test_errors_are_told_apart_up_to_a_bound():
    recorder = Recorder()
    for number in range(MAX_ERROR_TEXTS + 50):
        recorder.fail(f"error {number}")
    assert recorder.errors == MAX_ERROR_TEXTS + 50
    assert recorder.error_texts[OTHER_ERRORS] == 50


def test_what_is_out_of_range_is_counted_at_its_end():
    merged = merge([filled([[0, HIGHEST_US * 10]]).share()])
    assert merged["operations"] == 2 and within_digits(merged["latency_ms"]["max"], HIGHEST_US / 1e3)
