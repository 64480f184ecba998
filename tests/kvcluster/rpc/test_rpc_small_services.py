"""Health, reflection and downgrade: small services that tools ask first."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from kvcluster import pb

UNKNOWN, INVALID, NOT_FOUND, PRECONDITION = 2, 3, 5, 9
SERVING, SERVICE_UNKNOWN = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.SERVICE_UNKNOWN


def test_health_is_that_of_the_server_as_a_whole(bench: Any) -> None:
    check = bench.services.methods[b"/grpc.health.v1.Health/Check"].handler
    for service, status in (("", (0, "")), ("etcdserverpb.KV", (NOT_FOUND, "unknown service"))):
        call = bench.make_call()
        check(call, pb.HealthCheckRequest(service=service).SerializeToString())
        assert call.status == status
    for service, said in (("", SERVING), ("nothing", SERVICE_UNKNOWN)):
        stream = bench.stream("/grpc.health.v1.Health/Watch", pb.HealthCheckResponse)
        (answer,) = stream.ask(pb.HealthCheckRequest(service=service))
        assert (answer.status, stream.call.is_active) == (said, True)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_describes_what_is_served(bench: Any, version: str) -> None:
    """A tool can build all messages of a service from what it is sent."""
    stream = bench.stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", pb.ServerReflectionResponse
    )
    (listed,) = stream.ask(pb.ServerReflectionRequest(list_services="*"))
    names = [service.name for service in listed.list_services_response.service]
    assert {"etcdserverpb.KV", "etcdserverpb.Auth", "v3lockpb.Lock", "grpc.health.v1.Health"} <= set(names)
    (found,) = stream.ask(pb.ServerReflectionRequest(file_containing_symbol="etcdserverpb.KV"))
    pool = descriptor_pool.DescriptorPool()
    files = [FileDescriptorProto.FromString(data) for data in found.file_descriptor_response.file_descriptor_proto]
    for file in sorted(files, key=lambda file: len(file.dependency)):
        pool.Add(file)
    assert pool.FindServiceByName("etcdserverpb.KV").methods_by_name["Range"].input_type.name == "RangeRequest"
    (again,) = stream.ask(pb.ServerReflectionRequest(file_by_filename="v3lock.proto"))
    assert len(again.file_descriptor_response.file_descriptor_proto) == 1  # what it imports was sent before


@pytest.mark.parametrize(
    "request_",
    [
        pb.ServerReflectionRequest(file_containing_symbol="etcdserverpb.Nothing"),
        pb.ServerReflectionRequest(file_by_filename="nothing.proto"),
        pb.ServerReflectionRequest(all_extension_numbers_of_type="Nothing"),
        pb.ServerReflectionRequest(
            file_containing_extension=pb.ExtensionRequest(containing_type="etcdserverpb.PutRequest", extension_number=9)
        ),
    ],
)
def test_reflection_of_what_is_not_there_is_an_answer(bench: Any, request_: Any) -> None:
    stream = bench.stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", pb.ServerReflectionResponse)
    (answer,) = stream.ask(request_)
    assert answer.error_response.error_code == NOT_FOUND
    assert stream.call.is_active


def test_reflection_ends_with_a_request_for_nothing(bench: Any) -> None:
    stream = bench.stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", pb.ServerReflectionResponse)
    assert stream.ask(b"") == []
    assert stream.call.status[0] == INVALID


VALIDATE, ENABLE, CANCEL = range(3)


def downgrade(bench: Any, action: int, version: str = "") -> Any:
    return bench.ask("Maintenance/Downgrade", pb.DowngradeRequest(action=action, version=version))


def test_a_downgrade_is_noted_and_taken_back(bench: Any) -> None:
    def info() -> tuple[bool, str]:
        status = bench.ask("Maintenance/Status", pb.StatusRequest())
        return status.downgradeInfo.enabled, status.downgradeInfo.targetVersion

    assert downgrade(bench, VALIDATE, "3.5").version == "3.6.0"
    assert info() == (False, "")
    assert downgrade(bench, ENABLE, "3.5").version == "3.6.0"
    assert info() == (True, "3.5.0")
    assert downgrade(bench, ENABLE, "3.5.2") == (PRECONDITION, "etcdserver: cluster has a downgrade job in progress")
    assert downgrade(bench, CANCEL).version == "3.6.0"
    assert info() == (False, "")
    assert downgrade(bench, CANCEL) == (PRECONDITION, "etcdserver: no inflight downgrade job")


@pytest.mark.parametrize("action", [VALIDATE, ENABLE])
@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("3.6", "invalid downgrade target version"),
        ("3.4", "invalid downgrade target version"),
        ("2.5", "invalid downgrade target version"),
        ("", "wrong downgrade target version format"),
        ("x", "wrong downgrade target version format"),
        ("3", "wrong downgrade target version format"),
    ],
)
def test_only_one_minor_version_back(bench: Any, action: int, version: str, text: str) -> None:
    assert downgrade(bench, action, version) == (INVALID, f"etcdserver: {text}")


def test_an_unknown_action(bench: Any) -> None:
    assert downgrade(bench, 7, "3.5") == (UNKNOWN, "etcdserver: unknown method")
