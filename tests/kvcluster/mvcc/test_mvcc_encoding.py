"""The bytes laid by hand are the bytes that protobuf makes, field for field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster import pb
from kvcluster.mvcc import DELETE, PUT, Event, KeyValue, RangeResult, encode_varint

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
EDGES = st.sampled_from([0, 1, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**35, 2**63 - 1, -1, -(2**63)])
NUMBERS = INT64 | EDGES | st.integers(0, 300)
KEY_VALUES = st.builds(
    KeyValue, st.binary(max_size=200), st.binary(max_size=20_000), NUMBERS, NUMBERS, NUMBERS, NUMBERS
)


def _message(kv: KeyValue) -> pb.KeyValue:
    return pb.KeyValue(
        key=kv.key,
        value=kv.value,
        create_revision=kv.create_revision,
        mod_revision=kv.mod_revision,
        version=kv.version,
        lease=kv.lease,
    )


@given(KEY_VALUES)
def test_key_value_is_protobufs(kv: KeyValue):
    assert kv.wire == _message(kv).SerializeToString()
    assert kv.wire is kv.wire, "made once"


@given(KEY_VALUES, st.none() | KEY_VALUES, st.sampled_from([PUT, DELETE]))
def test_event_is_an_element_of_a_watch_response(kv: KeyValue, prev: KeyValue | None, kind: int):
    """Without and with prev_kv; a WatchResponse with nothing but the event is exactly the spliced bytes."""
    event = Event(kind, kv, prev)
    message = pb.Event(type=pb.Event.DELETE if kind == DELETE else pb.Event.PUT, kv=_message(kv))
    assert event.wire() == pb.WatchResponse(events=[message]).SerializeToString()
    if prev is not None and prev.wire:
        message.prev_kv.CopyFrom(_message(prev))
    assert event.wire_with_prev() == pb.WatchResponse(events=[message]).SerializeToString()
    assert event.wire() is event.wire() and event.wire_with_prev() is event.wire_with_prev()


@given(st.lists(KEY_VALUES, max_size=4), st.integers(0, 2**40), st.booleans())
def test_range_body_is_a_range_response_without_header(kvs: list[KeyValue], count: int, more: bool):
    body = RangeResult(kvs, count, 7, more).body()
    assert body == pb.RangeResponse(kvs=[_message(kv) for kv in kvs], count=count, more=more).SerializeToString()


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 16383, 16384, 2**21, 2**28, 2**63 - 1, -1])
def test_varint(number: int):
    assert encode_varint(number) == pb.KeyValue(version=number).SerializeToString()[1:] or number == 0


def test_keys_only_is_the_pair_without_its_value():
    kv = KeyValue(b"k", b"a long value", 3, 9, 2, 77)
    assert pb.KeyValue.FromString(kv.without_value().wire) == pb.KeyValue(
        key=b"k", create_revision=3, mod_revision=9, version=2, lease=77
    )
