"""Server reflection (grpc.reflection, v1 and v1alpha): grpcurl and its like find out what is served, without .proto files."""

from __future__ import annotations

from typing import Any

from kvcluster import pb
from kvcluster.rpc.decoding import decode
from kvcluster.wire import BIDI, Method, ServiceCall, codes

_ALPHA = "grpc.reflection.v1alpha.ServerReflection"


def _files_by_symbol() -> dict[str, Any]:
    """Full name of every service, method, message, field, enum and value → its file."""
    found: dict[str, Any] = {}

    def add_message(message: Any, file: Any) -> None:
        found[message.full_name] = file
        for field in message.fields:
            found[field.full_name] = file
        for enum in message.enum_types:
            found[enum.full_name] = file
        for nested in message.nested_types:
            add_message(nested, file)

    for file in pb.FILES:
        for message in file.message_types_by_name.values():
            add_message(message, file)
        for enum in file.enum_types_by_name.values():
            found[enum.full_name] = file
        for service in file.services_by_name.values():
            found[service.full_name] = file
            for method in service.methods:
                found[method.full_name] = file
    return found


def _services() -> list[str]:
    names = [service.full_name for file in pb.FILES for service in file.services_by_name.values()]
    return sorted([*names, _ALPHA])


class ReflectionStream:
    """One answer per request; a mistake is an answer too. A file is sent once on a stream."""

    def __init__(self, call: ServiceCall) -> None:
        self._call = call
        self._symbols = _files_by_symbol()
        self._sent: set[str] = set()

    def on_message(self, payload: bytes) -> None:
        request = decode(pb.ServerReflectionRequest, payload, self._call)
        if request is None:
            return
        response = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
        kind = request.WhichOneof("message_request")
        if kind is None:
            self._call.finish(codes.INVALID_ARGUMENT, "invalid MessageRequest: <nil>")
            return
        getattr(self, f"_{kind}")(response, getattr(request, kind))
        self._call.send(response.SerializeToString())

    def _list_services(self, response: Any, text: str) -> None:
        response.list_services_response.service.extend(pb.ServiceResponse(name=name) for name in _services())

    def _file_by_filename(self, response: Any, name: str) -> None:
        file = next((file for file in pb.FILES if file.name == name), None)
        self._add_file(response, file, name)

    def _file_containing_symbol(self, response: Any, symbol: str) -> None:
        self._add_file(response, self._symbols.get(symbol), symbol)

    def _file_containing_extension(self, response: Any, extension: Any) -> None:
        self._refuse(response, extension.containing_type)

    def _all_extension_numbers_of_type(self, response: Any, name: str) -> None:
        """The messages of etcd have no extensions."""
        if name in self._symbols:
            response.all_extension_numbers_response.base_type_name = name
        else:
            self._refuse(response, name)

    def _add_file(self, response: Any, file: Any, name: str) -> None:
        if file is None:
            self._refuse(response, name)
            return
        response.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)
        self._sent.add(file.name)
        for needed in file.dependencies:
            if needed.name not in self._sent:
                self._add_file(response, needed, needed.name)

    def _refuse(self, response: Any, name: str) -> None:
        response.error_response.error_code = codes.NOT_FOUND
        response.error_response.error_message = f"not found: {name}"

    def on_half_close(self) -> None:
        self._call.finish()

    def on_cancel(self) -> None: ...

    def on_drain(self) -> None: ...


REFLECTION_METHODS = {
    b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": Method(BIDI, ReflectionStream),
    b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Method(BIDI, ReflectionStream),
}
