"""The codec: what goes in comes out, and bytes from anywhere else are refused with a ValueError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.raft import ConfState, Entry, Message, MessageType, Snapshot, decode_message, encode_message

numbers = st.integers(0, 2**64 - 1)
entries = st.builds(Entry, numbers, numbers, st.sampled_from([0, 1]), st.binary(max_size=40))
id_tuples = st.lists(numbers, max_size=4).map(tuple)
snapshots = st.builds(Snapshot, numbers, numbers, st.builds(ConfState, id_tuples, id_tuples), st.binary(max_size=80))
messages = st.builds(
    Message,
    type=st.sampled_from(list(MessageType)),
    to=numbers,
    sender=numbers,
    term=numbers,
    log_term=numbers,
    index=numbers,
    entries=st.lists(entries, max_size=5),
    commit=numbers,
    reject=st.booleans(),
    reject_hint=numbers,
    context=st.binary(max_size=20),
    snapshot=st.none() | snapshots,
)


@given(messages)
def test_round_trip(message):
    decoded = decode_message(encode_message(message))
    assert decoded == message
    assert isinstance(decoded.type, MessageType)
    assert all(isinstance(entry, Entry) for entry in decoded.entries)


@given(st.binary(max_size=300))
def test_noise_is_refused(data):
    with pytest.raises(ValueError):
        decode_message(data)


@given(messages, st.data())
def test_a_cut_message_is_refused(message, data):
    encoded = encode_message(message)
    with pytest.raises(ValueError):
        decode_message(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    with pytest.raises(ValueError):
        decode_message(encoded + b"\0")


@given(messages, st.data())
def test_a_flipped_byte_is_refused_or_makes_another_message(message, data):
    encoded = bytearray(encode_message(message))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert decode_message(bytes(encoded)) != message
    except ValueError:
        pass


def test_a_count_of_entries_that_cannot_be_is_refused_before_it_is_believed():
    encoded = bytearray(encode_message(Message(MessageType.APP, 1, 2, 3)))
    encoded[-4:] = b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match="4294967295 entries do not fit"):
        decode_message(bytes(encoded))


def test_a_field_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="APP"):
        encode_message(Message(MessageType.APP, 1, 2, -3))


def test_bytes_like_objects_are_taken():
    message = Message(MessageType.HEARTBEAT, 1, 2, 3, context=b"c")
    decoded = decode_message(memoryview(encode_message(message)))
    assert decoded == message._replace(entries=[])
