"""The messages are loaded past protobuf's public modules where its C implementation allows it; nobody may see a difference."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf.internal import api_implementation

from kvcluster import pb

FILL = (
    "request = pb.TxnRequest(compare=[pb.Compare(key=b'k', target=pb.Compare.MOD, mod_revision=7)],"
    " success=[pb.RequestOp(request_put=pb.PutRequest(key=b'k', value=b'v', lease=-1))]);"
    "print(request.SerializeToString().hex())"
)


def test_messages_inside_messages_are_of_the_same_classes():
    request = pb.TxnRequest(compare=[pb.Compare(key=b"k")])
    assert type(request.compare[0]) is pb.Compare
    assert type(pb.ResponseOp().response_range) is pb.RangeResponse
    assert pb.Event.DELETE == 1 and pb.AlarmType.Name(1) == "NOSPACE"


def test_every_message_and_service_is_there():
    for file in pb.FILES:
        for name, descriptor in file.message_types_by_name.items():
            assert getattr(pb, name).DESCRIPTOR is descriptor
    services = {service for file in pb.FILES for service in file.services_by_name}
    assert {"KV", "Watch", "Lease", "Cluster", "Maintenance", "Auth"} <= services


def test_the_public_modules_make_the_same_messages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api_implementation, "Type", lambda: "other")
    pool, class_of = pb._open_pool()  # type: ignore[attr-defined]
    for file in pb.FILES:
        for descriptor in pool.AddSerializedFile(file.serialized_pb).message_types_by_name.values():
            twin, ours = class_of(descriptor), getattr(pb, descriptor.name)
            assert twin is not ours and twin.__name__ == ours.__name__
            assert [(f.name, f.number) for f in twin.DESCRIPTOR.fields] == [
                (f.name, f.number) for f in ours.DESCRIPTOR.fields
            ]


def test_it_works_without_the_c_implementation():
    code = f"from kvcluster import pb; {FILL}"
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation},
        ).stdout
        for implementation in ("python", "upb")
    ]  # fmt: skip
    assert said[0] == said[1]
