"""Times as Kubernetes writes them, and ages as kubectl prints them.

`metav1.Time` is RFC 3339 in UTC with seconds ("2026-01-02T03:04:05Z"), `metav1.MicroTime` the same with six digits of
fraction. In Python a time is a float of seconds since the epoch, as `Clock.now_s` gives it. No clock is read here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))"
)

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY_HOURS = 24
_YEAR_HOURS = 365 * _DAY_HOURS


def format_time(seconds: float) -> str:
    """metav1.Time: RFC 3339, UTC, the fraction cut off."""
    return _format_seconds(int(seconds // 1))


@lru_cache(maxsize=16)  # the writes of a second share its text
def _format_seconds(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(seconds: float) -> str:
    """metav1.MicroTime: RFC 3339, UTC, always six digits of fraction."""
    return (_EPOCH + timedelta(microseconds=round(seconds * 1_000_000))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time with any offset and up to nine digits of fraction.

    Raises ValueError with Go's text, which is what the API server puts into its BadRequest.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, _, sign, offset_hours, offset_minutes = match.groups()[6:]
    zone: timezone = UTC
    if sign:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError as error:
        raise ValueError(f'parsing time "{text}": {error}') from None
    micros = int(fraction.ljust(9, "0")[:6]) if fraction else 0
    return (moment - _EPOCH) / timedelta(microseconds=1) / 1_000_000 + micros / 1_000_000


@lru_cache(maxsize=4096)
def canonical_time(text: str) -> str:
    """The time as metav1.Time writes it back. Raises ValueError."""
    if len(text) == 20 and text[-1] == "Z" and _RFC3339.fullmatch(text):
        parse_time(text)
        return text
    return format_time(parse_time(text))


def canonical_micro_time(text: str) -> str:
    """The time as metav1.MicroTime writes it back. Raises ValueError."""
    return format_micro_time(parse_time(text))


def age(timestamp: str | None, now: float) -> str:
    """What kubectl prints in an AGE column for an RFC 3339 time; "<unknown>" without one."""
    if not timestamp:
        return "<unknown>"
    return human_duration(now - parse_time(timestamp))


def human_duration(seconds: float) -> str:
    """A duration the way kubectl shortens it: at most two units, coarser as it grows (apimachinery util/duration)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    minutes = whole // _MINUTE
    if minutes < 10:
        return _two(minutes, "m", whole % _MINUTE, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = whole // _HOUR
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 2 * _DAY_HOURS:
        return f"{hours}h"
    days = hours // _DAY_HOURS
    if days < 8:
        return _two(days, "d", hours % _DAY_HOURS, "h")
    if hours < 2 * _YEAR_HOURS:
        return f"{days}d"
    if hours < 8 * _YEAR_HOURS:
        return _two(hours // _YEAR_HOURS, "y", days % 365, "d")
    return f"{hours // _YEAR_HOURS}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
