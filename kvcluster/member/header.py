"""The response header as bytes, made once per revision and term."""

from __future__ import annotations

from kvcluster.mvcc import encode_varint


class HeaderCache:
    """Field 1 of a response: tag, length, ResponseHeader {1 cluster_id, 2 member_id, 3 revision, 4 raft_term}.

    `term` is set by the member, which knows it.
    """

    __slots__ = ("term", "_identity", "_revision", "_term", "_bytes")

    def __init__(self, cluster_id: int, member_id: int) -> None:
        self.term = 0
        self._identity = b"\x08" + encode_varint(cluster_id) + b"\x10" + encode_varint(member_id)
        self._revision = -1
        self._term = -1
        self._bytes = b""

    def encode(self, revision: int) -> bytes:
        if revision == self._revision and self.term == self._term:
            return self._bytes
        self._revision, self._term = revision, self.term
        parts = [self._identity]
        if revision:
            parts += (b"\x18", encode_varint(revision))
        if self.term:
            parts += (b"\x20", encode_varint(self.term))
        content = b"".join(parts)
        self._bytes = b"\x0a" + encode_varint(len(content)) + content
        return self._bytes
