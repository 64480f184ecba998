"""Headers of gRPC: metadata, timeouts, texts of errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.wire import codes
from kvcluster.wire.metadata import decode_metadata, encode_metadata, encode_timeout, parse_timeout


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_error_texts_survive(text: str):
    encoded = codes.encode_message(text)
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert codes.decode_message(encoded) == text


def test_a_text_with_half_a_pair_of_surrogates_is_sent_as_well_as_it_can_be():
    assert codes.decode_message(codes.encode_message("a\ud800b")) == "a?b"
    assert codes.decode_message(b"100%zz %E4") == "100%zz \ufffd"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"250m", 0.25), (b"99999999n", 0.099999999), (b"0u", 0)],
)
def test_timeouts(text: bytes, seconds: float):
    assert parse_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"", b"1", b"S", b"-1S", b"1.5S", b"123456789S", b"1 S", b"1s", b"1S "])
def test_what_is_no_timeout(text: bytes):
    with pytest.raises(ValueError, match="is not a timeout"):
        parse_timeout(text)


@given(st.floats(0, 1e11))
def test_a_timeout_never_gets_shorter_on_the_way(seconds: float):
    """And hardly longer: 8 digits of a unit, the next unit being at most 1000 times as coarse."""
    again = parse_timeout(encode_timeout(seconds))
    assert seconds * (1 - 1e-12) <= again <= seconds * (1 + 2e-5) + 1e-9


def test_metadata_travels():
    sent = {"Token": "a, b", "trace-bin": b"\x00\xff\x10", "empty-bin": b"", "plain": ""}
    arrived = {"token": "a, b", "trace-bin": b"\x00\xff\x10", "empty-bin": b"", "plain": ""}
    assert decode_metadata(encode_metadata(sent)) == arrived


def test_metadata_leaves_out_what_is_the_protocols_own_and_joins_what_is_repeated():
    headers = [
        (b":path", b"/x"),
        (b"te", b"trailers"),
        (b"grpc-timeout", b"1S"),
        (b"a", b"1"),
        (b"b", b"2"),
        (b"a", b"3"),
    ]
    assert decode_metadata(headers) == {"a": "1,3", "b": "2"}


def test_binary_metadata_with_and_without_padding():
    assert decode_metadata([(b"x-bin", b"aGk=")]) == decode_metadata([(b"x-bin", b"aGk")]) == {"x-bin": b"hi"}
    with pytest.raises(ValueError, match='malformed binary metadata "?'):
        decode_metadata([(b"x-bin", b"\xff")])


@pytest.mark.parametrize(
    "metadata",
    [
        {"a b": "x"},
        {":path": "x"},
        {"grpc-status": "0"},
        {"te": "x"},
        {"": "x"},
        {"a": "ü"},
        {"a": "x\r\n"},
        {"a": b"x"},
    ],
)
def test_metadata_that_cannot_travel(metadata: dict[str, str]):
    with pytest.raises(ValueError, match="metadata"):
        encode_metadata(metadata)
