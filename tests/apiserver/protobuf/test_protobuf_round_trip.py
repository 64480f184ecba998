"""JSON to protobuf and back for every message of every kind, weighed against google.protobuf's classes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.kinds import find_type, types
from apiserver.meta import decode_typed
from apiserver.protobuf import decode_message, decode_object, encode_message, encode_object, fields_of, messages

_spec = importlib.util.spec_from_file_location("reference_messages", Path(__file__).parent / "reference_messages.py")
assert _spec is not None and _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

KINDS = sorted(
    name
    for name, fields in messages().items()
    if fields.get("metadata") == "1 meta.v1.ObjectMeta" and not name.endswith("PodTemplateSpec")
)
OTHERS = ["meta.v1.DeleteOptions", "meta.v1.Status", "meta.v1.APIResourceList", "meta.v1.APIGroupList"]


def test_every_kind_is_there():
    assert len(KINDS) > 70
    assert {"core.v1.Pod", "apps.v1.Deployment", "apiextensions.v1.CustomResourceDefinition"} <= set(KINDS)


@pytest.mark.parametrize("name", KINDS + OTHERS)
@settings(max_examples=4, deadline=None, database=None)
@given(seed=st.integers(0, 2**32))
def test_round_trip(name: str, seed: int):
    obj = reference.random_object(name, Random(seed))
    body = encode_message(name, obj)
    assert decode_message(name, body) == obj

    wanted = reference.new_message(name)
    reference.fill(wanted, name, obj)
    found = reference.new_message(name)
    found.ParseFromString(body)
    assert _without_empty_inlines(found, name) == _without_empty_inlines(wanted, name)

    # What protobuf says is what JSON says in canonical form, and zeros that are spelled out there are dropped as well.
    if name in types():
        assert decode_typed(with_zeros := reference.add_zeros(name, obj), find_type(name)) == []
        assert with_zeros == obj

    as_go_writes = reference.new_message(name)
    reference.fill(as_go_writes, name, obj, zeros=True)
    assert decode_message(name, as_go_writes.SerializeToString()) == obj


def _without_empty_inlines(message, name: str) -> bytes:
    """The bytes in the order of the fields' numbers; an embedded struct that is empty may be written or not."""
    _drop(message, name)
    return message.SerializeToString(deterministic=True)


def _drop(message, name: str) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.type != descriptor.TYPE_MESSAGE:
            continue
        if descriptor.message_type.GetOptions().map_entry:
            inner = descriptor.message_type.fields_by_name["value"]
            if inner.type == inner.TYPE_MESSAGE:
                for item in value.values():
                    _drop(item, "")
        elif not isinstance(value, Message):
            for item in value:
                _drop(item, "")
        else:
            _drop(value, "")
            if descriptor.name in INLINES and not value.ListFields():
                message.ClearField(descriptor.name)


INLINES = {field.name for name in messages() for field in fields_of(name) if field.inline}


def test_an_object_says_its_type():
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {}}
    assert decode_object("core.v1.Pod", encode_object("core.v1.Pod", pod)) == pod
