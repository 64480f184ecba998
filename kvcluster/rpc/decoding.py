"""Request bytes → message, or the answer that grpc-go gives to bytes that are none."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from kvcluster.member import Member
from kvcluster.wire import ServiceCall, codes


def decode(message_class: Any, payload: bytes, call: ServiceCall) -> Any:
    """The message; None where the call has been failed instead."""
    try:
        return message_class.FromString(payload)
    except DecodeError as error:
        call.fail(codes.INTERNAL, f"grpc: error unmarshalling request: {error}")
        return None


def lacks_leader(call: ServiceCall, member: Member) -> bool:
    """Whether the client insists on a leader (metadata `hasleader: true`) and this member knows none."""
    return not member.leader and call.metadata.get("hasleader") == "true"
