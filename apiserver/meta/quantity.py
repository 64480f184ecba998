"""Resource quantities: "100m", "64Mi", "1e3", and the one canonical text of each value.

A quantity is a number with a suffix; the API server stores it in canonical form, so "1000m" comes back as "1". Three
families of suffixes keep their family: decimal SI (n u m k M G T P E), binary SI (Ki Mi Gi Ti Pi Ei) and decimal
exponents (e3). Canonical means: no fraction, and the largest suffix of the family that allows it; binary values
below 1024, and fractional ones, are written in decimal SI.

Nothing finer than a billionth is kept (rounded away from zero) and nothing is larger than 2^63-1 (capped).
Source: apimachinery api/resource/quantity.go.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal
from functools import lru_cache

FORMAT_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_TEXT = "unable to parse quantity's suffix"
NUMERIC_TEXT = "unable to parse numeric part of quantity"

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"

_SHAPE = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)")
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_BY_POWER = {power: suffix for suffix, power in _DECIMAL_SUFFIXES.items()}

_MAX = Decimal(2**63 - 1)
_NANO = Decimal("1e-9")
_EXACT = Context(prec=200)
_MAX_TEXT_CHARS = 128  # a bound on work; no sane quantity is longer
_MAX_EXPONENT = 64

Quantity = str | int | float


@lru_cache(maxsize=4096, typed=True)
def parse_quantity(text: Quantity) -> Decimal:
    """The value, exact. Raises ValueError with Kubernetes' texts. A JSON number is accepted as Kubernetes does."""
    return _parse(text if isinstance(text, str) else _number_text(text))[0]


# A cluster says the same few quantities over and over, and Decimal is slow.
@lru_cache(maxsize=4096, typed=True)
def canonical_quantity(text: Quantity) -> str:
    """The text that the API server stores for `text`. Raises ValueError with Kubernetes' texts."""
    value, family = _parse(text if isinstance(text, str) else _number_text(text))
    return format_quantity(value, family)


@lru_cache(maxsize=4096, typed=True)
def milli_value(text: Quantity) -> int:
    """The value in thousandths, rounded up: what scheduling counts of cpu."""
    return int((parse_quantity(text) * 1000).to_integral_value(ROUND_CEILING, context=_EXACT))


@lru_cache(maxsize=4096, typed=True)
def int_value(text: Quantity) -> int:
    """The value in units, rounded up: bytes of memory, number of pods."""
    return int(parse_quantity(text).to_integral_value(ROUND_CEILING, context=_EXACT))


def format_quantity(value: Decimal | int, family: str = DECIMAL_SI) -> str:
    """The canonical text of a value in a family of suffixes."""
    value = _bounded(Decimal(value))
    if not value:
        return "0"
    if family == BINARY_SI and abs(value) >= 1024 and value == value.to_integral_value(context=_EXACT):
        return _format_binary(int(value))
    power = _decimal_power(value)
    mantissa = int(value.scaleb(-power, context=_EXACT))
    if family == DECIMAL_EXPONENT:
        return f"{mantissa}e{power}" if power else str(mantissa)
    return f"{mantissa}{_DECIMAL_BY_POWER[power]}"


def _number_text(number: int | float) -> str:
    return str(number) if isinstance(number, int) else format(Decimal(repr(number)), "f")


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Decimal, str]:
    match = _SHAPE.fullmatch(text)
    if match is None or len(text) > _MAX_TEXT_CHARS:
        raise ValueError(FORMAT_TEXT)
    number, suffix = match.groups()
    if number.count(".") > 1 or not any(char.isdigit() for char in number):
        raise ValueError(NUMERIC_TEXT)
    value = Decimal(number)
    if suffix in _DECIMAL_SUFFIXES:
        return _bounded(value.scaleb(_DECIMAL_SUFFIXES[suffix], context=_EXACT)), DECIMAL_SI
    if suffix in _BINARY_SUFFIXES:
        return _bounded(_EXACT.multiply(value, Decimal(1 << _BINARY_SUFFIXES[suffix]))), BINARY_SI
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        raise ValueError(SUFFIX_TEXT)
    power = max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(exponent[1])))
    return _bounded(value.scaleb(power, context=_EXACT)), DECIMAL_EXPONENT


def _bounded(value: Decimal) -> Decimal:
    """Capped at 2^63-1, and rounded away from zero to whole billionths."""
    value = max(-_MAX, min(_MAX, value))
    return value if value.as_tuple().exponent >= -9 else value.quantize(_NANO, ROUND_UP, context=_EXACT)  # type: ignore[operator]


def _decimal_power(value: Decimal) -> int:
    """The largest power in -9, -6 … 18 that leaves no fraction."""
    power = 18
    while power > -9 and value.scaleb(-power, context=_EXACT) % 1:
        power -= 3
    return power


def _format_binary(value: int) -> str:
    suffix = ""
    for name, bits in _BINARY_SUFFIXES.items():
        if value % (1 << bits):
            break
        suffix = name
    return f"{value >> _BINARY_SUFFIXES[suffix] if suffix else value}{suffix}"
