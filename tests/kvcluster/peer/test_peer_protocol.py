"""The handshake's bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.peer.protocol import (
    ANSWER_BYTES,
    HELLO_BYTES,
    Acquaintances,
    Hello,
    decode_answer,
    decode_hello,
    encode_hello,
    encode_refusal,
    encode_welcome,
    refusal_text,
)

ids = st.integers(0, 2**64 - 1)


@given(ids, ids, ids, ids)
def test_hello(cluster_id: int, sender: int, to: int, incarnation: int):
    hello = Hello(cluster_id, sender, to, incarnation)
    assert len(encode_hello(hello)) == HELLO_BYTES
    assert decode_hello(encode_hello(hello)) == hello


def test_answers():
    welcome = decode_answer(encode_welcome(7))
    assert (welcome.is_welcome, welcome.incarnation, welcome.text_bytes) == (True, 7, 0)
    refusal = encode_refusal(7, "nein, größer")
    answer = decode_answer(refusal[:ANSWER_BYTES])
    assert not answer.is_welcome
    assert refusal[ANSWER_BYTES:].decode() == "nein, größer"
    assert answer.text_bytes == len(refusal) - ANSWER_BYTES


def test_a_refusal_is_bounded():
    refusal = encode_refusal(7, "x" * 100_000)
    assert decode_answer(refusal[:ANSWER_BYTES]).text_bytes == len(refusal) - ANSWER_BYTES == 65_535


@given(st.binary(min_size=HELLO_BYTES, max_size=HELLO_BYTES))
def test_noise_is_neither_hello_nor_answer(noise: bytes):
    with pytest.raises(ValueError, match="not a member"):
        decode_hello(noise)
    with pytest.raises(ValueError, match="not a member"):
        decode_answer(noise[:ANSWER_BYTES])


def test_a_member_is_known_by_its_first_incarnation():
    met = Acquaintances()
    assert met.meet(1, 100)
    assert met.meet(1, 100)
    assert not met.meet(1, 101)
    assert met.meet(1, 100)
    assert met.meet(2, 101)


def test_the_refusal_says_why():
    assert "has run before with another memory" in refusal_text(0xABC)
    assert "abc" in refusal_text(0xABC)
