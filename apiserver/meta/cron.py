"""Cron schedules as CronJobs have them: robfig/cron's standard form, nothing more and nothing less.

    minute hour day-of-month month day-of-week      lists, ranges and steps: 1,2  1-5  */15  10-40/5  JAN-MAR  MON
    @yearly @annually @monthly @weekly @daily @midnight @hourly
    @every DURATION                                  "1h30m", counted from the time asked about
    TZ=Zone or CRON_TZ=Zone before any of these

Where both days are given (neither begins with "*" or "?" without a step), one of them is enough; else both must match.
A local time that a clock change skips is skipped, one that comes twice comes twice. Pure functions.
Source of the rules: github.com/robfig/cron/v3 (parser.go, spec.go), which Kubernetes calls.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_YEARS = 5
"""A schedule that never comes (February 30) is given up after so many years."""

_MONTHS = {
    name: n
    for n, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DAYS = {name: n for n, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"(\d+(?:\.\d*)?)(h|ms|m|s)")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class CronError(ValueError):
    """Not a schedule; the text is robfig/cron's where clients are likely to see it."""


class Schedule(NamedTuple):
    """every_s: set for @every, and then nothing else counts. either_day: day of month or of week is enough."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    zone: tzinfo
    every_s: float = 0.0

    def next_after(self, now_s: float) -> float | None:
        """The first time strictly after now_s, in seconds since the epoch; None where there is none for five years."""
        if self.every_s:
            return float(int(now_s) + max(int(self.every_s), 1))
        at = datetime.fromtimestamp((int(now_s) // 60 + 1) * 60, UTC)
        last_year = at.astimezone(self.zone).year + MAX_YEARS
        while True:
            local = at.astimezone(self.zone)
            if local.year > last_year:
                return None
            if local.month not in self.months:
                at = self._local_midnight(local.year + local.month // 12, local.month % 12 + 1, 1)
            elif not self._is_day(local):
                tomorrow = local.date() + timedelta(days=1)
                at = self._local_midnight(tomorrow.year, tomorrow.month, tomorrow.day)
            elif local.hour not in self.hours:
                # Real hours, not wall hours: one that is skipped or comes twice is seen as it is.
                at += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                at += timedelta(minutes=1)
            else:
                return at.timestamp()

    def _local_midnight(self, year: int, month: int, day: int) -> datetime:
        return datetime(year, month, day, tzinfo=self.zone).astimezone(UTC)

    def _is_day(self, local: datetime) -> bool:
        of_month, of_week = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (of_month or of_week) if self.either_day else (of_month and of_week)


def parse_schedule(text: str, time_zone: str = "") -> Schedule:
    """time_zone: an IANA name that takes the place of UTC. Raises CronError."""
    zone = _zone(time_zone) if time_zone else UTC
    if not text:
        raise CronError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        name, _, text = text.partition(" ")
        zone = _zone(name.partition("=")[2])
        text = text.strip()
    if text.startswith("@every "):
        everything: frozenset[int] = frozenset()
        every_s = _duration_s(text.removeprefix("@every "))
        return Schedule(everything, everything, everything, everything, everything, False, zone, every_s)
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise CronError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise CronError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    fields = [_parse_field(part, *rule) for part, rule in zip(parts, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (values for values, _ in fields)
    either_day = not fields[2][1] and not fields[4][1]
    return Schedule(minutes, hours, days, months, weekdays, either_day, zone)


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name in ("UTC", "Etc/UTC") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CronError(f"provided bad location {name}: unknown time zone {name}") from error


def _parse_field(text: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """(the values, whether it is a plain star)"""
    values: set[int] = set()
    star = False
    for part in text.split(","):
        found, is_star = _parse_range(part, low, high, names)
        values |= found
        star = star or is_star
    return frozenset(values), star


def _parse_range(text: str, low: int, high: int, names: dict[str, int]) -> tuple[set[int], bool]:
    span, slash, step_text = text.partition("/")
    first, dash, last = span.partition("-")
    if "/" in step_text:
        raise CronError(f"too many slashes: {text}")
    star = first in ("*", "?") and not dash
    if star:
        start, end = low, high
    else:
        start = _number(first, names, text)
        end = _number(last, names, text) if dash else start
        if slash and not dash:
            end = high  # "N/step" means from N on
    step = 1
    if slash:
        step = _number(step_text, {}, text)
        if step > 1:
            star = False
    if start < low:
        raise CronError(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise CronError(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise CronError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise CronError(f"step of range should be a positive number: {text}")
    return set(range(start, end + 1, step)), star


def _number(text: str, names: dict[str, int], where: str) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        why = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise CronError(f"failed to parse int from {text}: {why}")
    return int(text)


def _duration_s(text: str) -> float:
    matched = _DURATION.findall(text)
    if not matched or "".join(number + unit for number, unit in matched) != text:
        raise CronError(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    return sum(float(number) * _UNITS_S[unit] for number, unit in matched)
