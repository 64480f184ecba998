"""What members say to each other over a socket: one handshake, then messages, each with its length in front.

    dialer   → HELLO    magic, cluster id, from, to, incarnation
    acceptor → WELCOME  magic, its own incarnation        or REFUSAL with a text, and the end
    dialer   → messages

    newcomer → JOIN     a HELLO of another magic           and gets a WELCOME whose text is the membership, as JSON

A connection carries messages one way; the other way has a connection of its own. The incarnation is drawn at each start of a
memory-only member: a member that is seen again under another one has forgotten its vote and its log. Letting it in under
its old identity could elect two leaders in a term or lose what was acknowledged, so it is refused, from both sides.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = b"kvpeer1\n"
JOIN_MAGIC = b"kvjoin1\n"
MAX_MESSAGE_BYTES = 1 << 30
LENGTH = struct.Struct(">I")

_HELLO = struct.Struct(">8sQQQQ")
_ANSWER = struct.Struct(">8sBQH")

HELLO_BYTES = _HELLO.size
ANSWER_BYTES = _ANSWER.size


class Hello(NamedTuple):
    cluster_id: int
    sender: int
    to: int
    incarnation: int


class Answer(NamedTuple):
    """text is empty for a WELCOME; `text_bytes` of text follow the fixed part. is_final: asking again makes no sense."""

    is_welcome: bool
    is_final: bool
    incarnation: int
    text_bytes: int


def encode_join() -> bytes:
    return _HELLO.pack(JOIN_MAGIC, 0, 0, 0, 0)


def encode_hello(hello: Hello) -> bytes:
    return _HELLO.pack(MAGIC, *hello)


def decode_hello(data: bytes) -> Hello:
    """Raises ValueError for bytes that are not a member's first words."""
    magic, *fields = _HELLO.unpack(data)
    if magic != MAGIC:
        raise ValueError("not a member of a cluster of this program")
    return Hello(*fields)


def encode_welcome(incarnation: int, text: bytes = b"") -> bytes:
    return _ANSWER.pack(MAGIC, 1, incarnation, len(text)) + text


def encode_refusal(incarnation: int, text: str, *, is_final: bool = True) -> bytes:
    said = text.encode()[:65_535]
    return _ANSWER.pack(MAGIC, 0 if is_final else 2, incarnation, len(said)) + said


def decode_answer(data: bytes) -> Answer:
    """Raises ValueError for bytes that are not a member's answer."""
    magic, welcome, incarnation, text_bytes = _ANSWER.unpack(data)
    if magic != MAGIC or welcome not in (0, 1, 2):
        raise ValueError("whoever listens there is not a member of a cluster of this program")
    return Answer(welcome == 1, welcome == 0, incarnation, text_bytes)


class Acquaintances:
    """Which incarnation of each member this process has met first."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}

    def meet(self, member_id: int, incarnation: int) -> bool:
        """Whether this is the member that was met before, or the first meeting."""
        return self._met.setdefault(member_id, incarnation) == incarnation


def refusal_text(member_id: int) -> str:
    return (
        f"member {member_id:x} has run before with another memory: a memory-only member that restarts has forgotten its "
        "vote and its log, so it may not rejoin the cluster under its old identity"
    )
