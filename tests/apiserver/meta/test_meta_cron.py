"""Cron schedules, by robfig/cron's own cases."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.meta import CronError, format_time, parse_schedule, parse_time


def following(schedule: str, after: str, zone: str = "", count: int = 1) -> list[str]:
    times, now_s = [], parse_time(after)
    parsed = parse_schedule(schedule, zone)
    for _ in range(count):
        found = parsed.next_after(now_s)
        assert found is not None
        now_s = found
        times.append(format_time(found))
    return times


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", "2024-01-01T00:00:30Z", "2024-01-01T00:01:00Z"),
        ("* * * * *", "2024-01-01T00:01:00Z", "2024-01-01T00:02:00Z"),
        ("*/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00Z"),
        ("20-35/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:20:00Z"),
        ("0 0 29 2 *", "2021-03-01T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0 0 * Feb Mon", "2012-07-09T23:35:00Z", "2013-02-04T00:00:00Z"),
        ("0 0 1,15 * Sun", "2012-07-09T23:35:00Z", "2012-07-15T00:00:00Z"),  # either day is enough
        ("0 0 13 * Fri", "2012-07-09T23:35:00Z", "2012-07-13T00:00:00Z"),
        ("0 0 * * 0", "2012-07-09T23:35:00Z", "2012-07-15T00:00:00Z"),
        ("0 0 */10 * Sun", "2012-07-09T23:35:00Z", "2012-07-11T00:00:00Z"),  # a star with a step is no star
        ("5/20 * * * *", "2024-01-01T00:06:00Z", "2024-01-01T00:25:00Z"),
        ("@hourly", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
        ("@every 1h30m", "2024-01-01T00:00:05Z", "2024-01-01T01:30:05Z"),
        ("TZ=America/New_York 0 9 * * *", "2024-01-01T00:00:00Z", "2024-01-01T14:00:00Z"),
    ],
)
def test_the_next_time(schedule, after, expected):
    assert following(schedule, after) == [expected]


def test_clock_changes_skip_and_repeat():
    zone = ZoneInfo("America/New_York")
    skipped = following("30 2 * * *", "2012-03-10T08:00:00Z", "America/New_York")
    assert datetime.fromtimestamp(parse_time(skipped[0]), zone).day == 12, "02:30 is not there on the 11th"
    twice = following("30 1 * * *", "2012-11-04T04:00:00Z", "America/New_York", 2)
    assert twice == ["2012-11-04T05:30:00Z", "2012-11-04T06:30:00Z"]


def test_a_day_that_never_comes_is_given_up():
    assert parse_schedule("0 0 30 2 *").next_after(0.0) is None


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", "failed to parse int from x"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every nothing", "failed to parse duration"),
        ("TZ=Nowhere/Land * * * * *", "provided bad location Nowhere/Land"),
    ],
)
def test_what_is_no_schedule(schedule, said):
    with pytest.raises(CronError) as caught:
        parse_schedule(schedule)
    assert said in str(caught.value)


# ---- the slow twin: minute by minute


def _field(low: int, high: int):
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, 20)
    stepped = st.tuples(st.one_of(st.just("*"), span), step).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.lists(st.one_of(number.map(str), span, stepped, st.just("*")), min_size=1, max_size=2).map(",".join)


def _matches(schedule, at: datetime) -> bool:
    of_month, of_week = at.day in schedule.days, at.isoweekday() % 7 in schedule.weekdays
    day = (of_month or of_week) if schedule.either_day else (of_month and of_week)
    return day and at.month in schedule.months and at.hour in schedule.hours and at.minute in schedule.minutes


@given(
    st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)).map(" ".join),
    st.integers(1_699_000_000, 1_735_000_000),
    st.sampled_from(["", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
@settings(max_examples=60, deadline=None)
def test_it_finds_what_looking_at_every_minute_finds(text, now_s, zone):
    schedule = parse_schedule(text, zone)
    found = schedule.next_after(now_s)
    horizon_s = now_s + 3 * 86_400
    minute = (now_s // 60 + 1) * 60
    while minute <= horizon_s and not _matches(schedule, datetime.fromtimestamp(minute, schedule.zone)):
        minute += 60
    if minute <= horizon_s:
        assert found == minute
    else:
        assert found is None or found > horizon_s
