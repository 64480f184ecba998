"""Every RPC of etcd's wire that is not served yet: an honest UNIMPLEMENTED that names it, instead of "unknown method"."""

from __future__ import annotations

from typing import Any

from kvcluster import pb
from kvcluster.wire import BIDI, SERVER_STREAM, UNARY, Method, ServiceCall, codes


class _Refused:
    """A stream that is over before it began."""

    def on_message(self, payload: bytes) -> None: ...

    def on_half_close(self) -> None: ...

    def on_cancel(self) -> None: ...

    def on_drain(self) -> None: ...


def _refuse(name: str, kind: int) -> Method:
    text = f"kvcluster: {name} is not implemented yet"

    def unary(call: ServiceCall, payload: bytes) -> None:
        call.fail(codes.UNIMPLEMENTED, text)

    def stream(call: ServiceCall) -> _Refused:
        call.finish(codes.UNIMPLEMENTED, text)
        return _Refused()

    return Method(kind, unary if kind == UNARY else stream)


def _kind(method: Any) -> int:
    if method.client_streaming:
        return BIDI
    return SERVER_STREAM if method.server_streaming else UNARY


def all_rpcs() -> dict[bytes, Method]:
    """path → a refusal, for every RPC of the services in proto/."""
    table = {}
    for file in pb.FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                path = f"/{file.package}.{service.name}/{method.name}"
                table[path.encode()] = _refuse(f"{service.name}.{method.name}", _kind(method))
    return table
