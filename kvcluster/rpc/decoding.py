"""Request bytes → message, or the answer that grpc-go gives to bytes that are none."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from kvcluster.errors import NoLeaderError
from kvcluster.member import Member
from kvcluster.rpc.status import status_of
from kvcluster.wire import ServiceCall, codes


def decode(message_class: Any, payload: bytes, call: ServiceCall) -> Any:
    """A stream's next message; None where the call has been ended instead."""
    try:
        return message_class.FromString(payload)
    except DecodeError as error:
        call.fail(codes.INTERNAL, f"grpc: error unmarshalling request: {error}")
        return None


def decode_unary(message_class: Any, payload: bytes, call: ServiceCall, member: Member) -> Any:
    """The request of a unary call; None where the call has been failed instead: no message, or no leader (see below)."""
    try:
        request = message_class.FromString(payload)
    except DecodeError as error:
        call.fail(codes.INTERNAL, f"grpc: error unmarshalling request: {error}")
        return None
    if not member.leader and lacks_leader(call, member):
        call.fail(*status_of(NoLeaderError()))
        return None
    return request


def lacks_leader(call: ServiceCall, member: Member) -> bool:
    """Whether the client insists on a leader (metadata `hasleader: true`) and this member knows none.

    etcd asks this of every call, whatever it wants (v3rpc/interceptor.go), serializable reads included.
    """
    return not member.leader and call.metadata.get("hasleader") == "true"
