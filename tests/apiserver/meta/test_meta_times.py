"""Times as Kubernetes writes them, and ages as kubectl prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.meta import (
    age,
    canonical_micro_time,
    canonical_time,
    format_micro_time,
    format_time,
    human_duration,
    parse_time,
)


def test_formats():
    assert format_time(0) == "1970-01-01T00:00:00Z"
    assert format_time(1_700_000_000.99) == "2023-11-14T22:13:20Z"
    assert format_micro_time(1_700_000_000.000006) == "2023-11-14T22:13:20.000006Z"


def test_canonical_forms_keep_the_moment():
    assert canonical_time("2026-01-02T05:04:05.9+02:00") == "2026-01-02T03:04:05Z"
    assert canonical_micro_time("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05.000000Z"
    assert canonical_micro_time("2026-01-02T03:04:05.123456789Z") == "2026-01-02T03:04:05.123456Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z"])
def test_what_is_not_a_time_is_refused(text: str):
    with pytest.raises(ValueError, match="parsing time"):
        parse_time(text)


@given(st.integers(0, 4_000_000_000))
def test_seconds_survive(seconds: int):
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (659, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 120, "3h2m"),
        (8 * 3600 + 60, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400 + 3600, "8d"),
        (2 * 365 * 86400, "2y"),
        (3 * 365 * 86400 + 5 * 86400, "3y5d"),
        (9 * 365 * 86400 + 5 * 86400, "9y"),
    ],
)
def test_durations_shorten_as_they_grow(seconds: float, text: str):
    assert human_duration(seconds) == text


def test_age():
    assert age("1970-01-01T00:00:10Z", 70) == "60s"
    assert age(None, 70) == "<unknown>"
