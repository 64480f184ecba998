"""What members ask each other beside raft: renewals and times to live, which only the leader can answer.

These requests are not replicated. They travel with the raft messages and may be lost like them; the asker waits with a
timeout. Numbers tie answers to requests; they mean nothing to anybody else.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from kvcluster.raft import Message, decode_message, encode_message

RENEW = 1
TIME_TO_LIVE = 2
IN_SYNC = 3

NOT_LEADER = -2
"""ttl_s of an answer by a member that does not lead: ask again."""


class LeaseRequest(NamedTuple):
    """follower → leader. IN_SYNC asks of a learner: `lease` is its id, as a signed number."""

    type: int
    to: int
    sender: int
    number: int
    lease: int


class LeaseAnswer(NamedTuple):
    """leader → follower. ttl_s: seconds; -1 no such lease (for RENEW: 0); NOT_LEADER."""

    to: int
    sender: int
    number: int
    ttl_s: int
    granted_ttl_s: int
    keys: tuple[bytes, ...] = ()


PeerMessage = Message | LeaseRequest | LeaseAnswer

_RAFT, _REQUEST, _ANSWER = b"\x00", b"\x01", b"\x02"
_REQUEST_FORM = struct.Struct("<BQQQq")
_ANSWER_FORM = struct.Struct("<QQQqqI")
_LENGTH = struct.Struct("<I")


def encode_peer_message(message: PeerMessage) -> bytes:
    """One message as bytes, without a length in front."""
    if isinstance(message, Message):
        return _RAFT + encode_message(message)
    if isinstance(message, LeaseRequest):
        return _REQUEST + _REQUEST_FORM.pack(*message)
    parts = [_ANSWER, _ANSWER_FORM.pack(*message[:5], len(message.keys))]
    for key in message.keys:
        parts += (_LENGTH.pack(len(key)), key)
    return b"".join(parts)


def decode_peer_message(data: bytes) -> PeerMessage:
    """The message. Raises ValueError for bytes that are none."""
    kind, body = data[:1], data[1:]
    try:
        if kind == _RAFT:
            return decode_message(body)
        if kind == _REQUEST:
            return _decode_request(body)
        if kind == _ANSWER:
            return _decode_answer(body)
    except struct.error as error:
        raise ValueError(f"a peer message is cut short: {error}") from error
    raise ValueError(f"unknown kind of peer message: {kind!r}")


def _decode_request(body: bytes) -> LeaseRequest:
    request = LeaseRequest(*_REQUEST_FORM.unpack(body))
    if request.type not in (RENEW, TIME_TO_LIVE, IN_SYNC):
        raise ValueError(f"unknown kind of lease question: {request.type}")
    return request


def _decode_answer(body: bytes) -> LeaseAnswer:
    to, sender, number, ttl_s, granted_ttl_s, count = _ANSWER_FORM.unpack_from(body)
    at = _ANSWER_FORM.size
    keys = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if at + length > len(body):
            raise ValueError("a key of a peer message is cut short")
        keys.append(body[at : at + length])
        at += length
    if at != len(body):
        raise ValueError("a peer message is longer than it says")
    return LeaseAnswer(to, sender, number, ttl_s, granted_ttl_s, tuple(keys))
