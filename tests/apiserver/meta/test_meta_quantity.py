"""Quantities: canonical texts as Kubernetes writes them, and arithmetic against fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.meta import canonical_quantity, format_quantity, int_value, milli_value, parse_quantity

MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0.0", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        (".5", "500m"),
        ("1000", "1k"),
        ("1234", "1234"),
        ("12000000", "12M"),
        ("-1.5", "-1500m"),
        ("64Mi", "64Mi"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),  # below 1024, binary values are written in decimal
        ("1e3", "1e3"),
        ("5e5", "500e3"),
        ("1E3", "1e3"),
        ("1E", "1E"),
        ("0.1n", "1n"),  # nothing finer than a billionth, rounded up
        ("9Ei", str(MAX)),  # nothing larger than int64
        (1, "1"),
        (0.5, "500m"),
    ],
)
def test_canonical(text: str, canonical: str):
    assert canonical_quantity(text) == canonical
    assert canonical_quantity(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ("abc", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ("1 Gi", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ("1.2.3", "unable to parse numeric part of quantity"),
        ("1KiMi", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
        ("1mm", "unable to parse quantity's suffix"),
    ],
)
def test_refused(text: str, error: str):
    with pytest.raises(ValueError) as refusal:
        parse_quantity(text)
    assert str(refusal.value) == error


def test_values_round_up():
    assert milli_value("100m") == 100
    assert milli_value("0.1m") == 1
    assert milli_value("2") == 2000
    assert int_value("64Mi") == 64 << 20
    assert int_value("100m") == 1
    assert int_value("1n") == 1


SUFFIXES = {
    **dict(
        zip(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"], (Fraction(1000) ** e for e in range(-3, 7)), strict=True)
    ),
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


@given(st.integers(-(10**6), 10**6), st.integers(0, 999), st.sampled_from(sorted(SUFFIXES)))
def test_canonical_text_means_the_same_number(whole: int, thousandths: int, suffix: str):
    """The slow twin: exact fractions, capped and rounded as documented."""
    text = f"{whole}.{thousandths:03}{suffix}"
    sign = -1 if text.startswith("-") else 1
    exact = sign * (Fraction(abs(whole)) + Fraction(thousandths, 1000)) * SUFFIXES[suffix]
    nanos = exact * 10**9
    rounded = Fraction(sign * -(-abs(nanos).numerator // nanos.denominator), 10**9)
    expected = max(Fraction(-MAX), min(Fraction(MAX), rounded))
    assert Fraction(parse_quantity(text)) == expected
    assert Fraction(parse_quantity(canonical_quantity(text))) == expected


@given(st.integers(-MAX, MAX))
def test_numbers_are_written_without_loss(number: int):
    for family in ("DecimalSI", "BinarySI", "DecimalExponent"):
        assert parse_quantity(format_quantity(number, family)) == number
