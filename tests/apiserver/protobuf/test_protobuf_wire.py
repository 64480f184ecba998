"""What is on the wire byte by byte, and what comes of bytes that are no message: a ProtobufError, never anything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.protobuf import (
    ProtobufError,
    decode_message,
    decode_object,
    encode_list,
    encode_message,
    open_envelope,
    watch_frame,
    wrap,
)

POD = {
    "metadata": {"name": "web", "labels": {"app": "web"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
    "spec": {
        "containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 10}}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
        "terminationGracePeriodSeconds": 0,
    },
}


def test_a_message_byte_by_byte():
    assert encode_message("core.v1.Namespace", {"metadata": {"name": "a"}}) == b"\x0a\x03\x0a\x01a"
    assert wrap("v1", "Namespace", b"\x0a\x00") == (
        b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x02\x0a\x00\x1a\x00\x22\x00"
    )


def test_what_go_always_writes_is_left_out():
    go = b"\x0a\x01c\x12\x00\x80\x01\x00"  # name c, image "", stdin false
    assert decode_message("core.v1.Container", go) == {"name": "c"}
    # A pointer's zero is a value, and so is the zero of what JSON always has.
    assert decode_message("core.v1.PodSpec", b"\x20\x00") == {"terminationGracePeriodSeconds": 0}
    assert decode_message("core.v1.ContainerPort", b"\x18\x00") == {"containerPort": 0}
    # The zero time is a message of no bytes.
    assert decode_message("meta.v1.ObjectMeta", b"\x42\x00") == {}


def test_unknown_fields_are_passed_over():
    unknown = b"\xa0\x1f\x01\xaa\x1f\x02xy\xb1\x1f12345678\xb5\x1f1234\xbb\x1f\x08\x01\xbc\x1f"
    assert decode_message("meta.v1.ObjectMeta", unknown + b"\x0a\x01a") == {"name": "a"}


def test_a_message_in_parts_is_one_message():
    one = encode_message("core.v1.Pod", {"metadata": {"name": "a"}})
    two = encode_message("core.v1.Pod", {"metadata": {"namespace": "b"}})
    assert decode_message("core.v1.Pod", one + two) == {"metadata": {"name": "a", "namespace": "b"}}


def test_packed_numbers_are_read():
    assert decode_message("core.v1.PodSecurityContext", b"\x22\x03\x01\x02\x03") == {"supplementalGroups": [1, 2, 3]}
    assert decode_message("core.v1.PodSecurityContext", b"\x20\x01\x20\x02") == {"supplementalGroups": [1, 2]}


def test_lists_and_frames_carry_messages_as_they_are():
    pod = encode_message("core.v1.Pod", POD)
    listed = open_envelope(encode_list("v1", "PodList", {"resourceVersion": "7"}, [pod, pod]))
    assert listed.kind == "PodList"
    found = decode_message("core.v1.PodList", listed.message)
    assert found == {"metadata": {"resourceVersion": "7"}, "items": [POD, POD]}
    frame = watch_frame("ADDED", wrap("v1", "Pod", pod))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    event = decode_message("meta.v1.WatchEvent", frame[4:11])
    assert event == {"type": "ADDED"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty data"),
        (b'{"kind":"Pod"}', "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"k8s\x00\x0a\x7f", "unexpected EOF"),
        (b"k8s\x00\x12\x03\x0a\x7f\x01", "unexpected EOF"),
        (b"k8s\x00\x12\x02\x08\x01", "proto: wrong wireType = 0 for field Metadata"),
        (b"k8s\x00\x12\x02\x00\x01", "proto: illegal tag 0 (wire type 0)"),
        (b"k8s\x00\x12\x05\x0a\x03\x0a\x01\xff", "proto: string field contains invalid UTF-8"),
        (b"k8s\x00\x12\x0c\x0a\x0a\x38" + b"\xff" * 8, "unexpected EOF"),
    ],
)
def test_bytes_that_are_no_object(body: bytes, text: str):
    with pytest.raises(ProtobufError) as caught:
        decode_object("core.v1.Pod", body)
    assert str(caught.value) == text


def test_nesting_is_bounded():
    body = b"\x0a\x00"
    for _ in range(2000):
        size = len(body)
        length = bytes((size & 127 | 128, size >> 7 & 127 | 128, size >> 14))
        body = b"\xe2\x01" + length + body  # not: a schema in a schema
    with pytest.raises(ProtobufError, match="exceeded max depth"):
        decode_message("apiextensions.v1.JSONSchemaProps", body)
    with pytest.raises(ProtobufError, match="exceeded max depth"):
        decode_message("core.v1.Pod", b"\xa3\x1f" * 5000)


@settings(max_examples=300, deadline=None, database=None)
@given(st.data())
def test_broken_messages_are_refused_or_read(data: st.DataObject):
    body = bytearray(encode_message("core.v1.Pod", POD))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        assert isinstance(decode_message("core.v1.Pod", cut), dict)
    except ProtobufError:
        pass


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(body: bytes):
    for name in ("core.v1.Pod", "apiextensions.v1.JSONSchemaProps", "core.v1.Event"):
        try:
            assert isinstance(decode_message(name, body), dict)
        except ProtobufError:
            pass


def test_lists_are_bounded():
    assert len(decode_message("core.v1.PodSpec", b"\x12\x00" * 10_000)["containers"]) == 10_000
    with pytest.raises(ProtobufError, match="containers has more than 10000 items"):
        decode_message("core.v1.PodSpec", b"\x12\x00" * 10_001)
    assert len(decode_message("meta.v1.ObjectMeta", b"\x72\x01a" * 20_000)["finalizers"]) == 20_000
