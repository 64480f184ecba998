"""What a learner answers: Status, serializable reads, snapshots, and whether it lives (etcd.md 2.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from kvcluster import pb
from kvcluster.errors import NotSupportedForLearnerError
from kvcluster.rpc.status import status_of
from kvcluster.wire import UNARY, Method, ServiceCall

_ALLOWED = (b"/etcdserverpb.Maintenance/Status", b"/etcdserverpb.Maintenance/Snapshot", b"/grpc.")
_RANGE = b"/etcdserverpb.KV/Range"


def restrict(methods: Mapping[bytes, Method]) -> dict[bytes, Method]:
    """The table of a learner."""
    return {path: method if path.startswith(_ALLOWED) else _refused(path, method) for path, method in methods.items()}


class _Refused:
    """A stream that is over before it began."""

    def on_message(self, payload: bytes) -> None: ...

    def on_half_close(self) -> None: ...

    def on_cancel(self) -> None: ...

    def on_drain(self) -> None: ...


def _refused(path: bytes, method: Method) -> Method:
    status = status_of(NotSupportedForLearnerError())

    def unary(call: ServiceCall, payload: bytes) -> None:
        if path == _RANGE and _is_serializable(payload):
            method.handler(call, payload)
        else:
            call.fail(*status)

    def stream(call: ServiceCall) -> Any:
        call.finish(*status)
        return _Refused()

    return Method(method.kind, unary if method.kind == UNARY else stream)


def _is_serializable(payload: bytes) -> bool:
    try:
        return bool(pb.RangeRequest.FromString(payload).serializable)
    except DecodeError:
        return True  # refused for what it is
