"""Response bodies laid by hand: everything but the header, which the answering member puts in front.

Field numbers are etcd's (proto/rpc.proto); tests compare with the messages of kvcluster.pb byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.mvcc import KeyValue, encode_varint


def encode_field(tag: bytes, content: bytes) -> bytes:
    """A length-delimited field: tag, length, content."""
    return b"".join((tag, encode_varint(len(content)), content))


def put_body(prev: KeyValue | None) -> bytes:
    """PutResponse: 2 prev_kv."""
    return b"" if prev is None else encode_field(b"\x12", prev.wire)


def delete_body(deleted: int, prevs: Sequence[KeyValue]) -> bytes:
    """DeleteRangeResponse: 2 deleted, 3 prev_kvs."""
    parts = [b"\x10" + encode_varint(deleted)] if deleted else []
    parts += [encode_field(b"\x1a", prev.wire) for prev in prevs]
    return b"".join(parts)


def txn_body(succeeded: bool, responses: Sequence[bytes]) -> bytes:
    """TxnResponse: 2 succeeded, 3 responses."""
    parts = [b"\x10\x01"] if succeeded else []
    parts += [encode_field(b"\x1a", response) for response in responses]
    return b"".join(parts)


def revision_header(revision: int) -> bytes:
    """Field 1 of the answers inside a TxnResponse: a ResponseHeader with nothing but the revision (3)."""
    return encode_field(b"\x0a", b"\x18" + encode_varint(revision))


EMPTY_HEADER = b"\x0a\x00"
"""Field 1 of a nested TxnResponse: a header that is there and says nothing."""


def lease_grant_body(id: int, ttl_s: int) -> bytes:
    """LeaseGrantResponse: 2 ID, 3 TTL."""
    return b"".join((b"\x10", encode_varint(id), b"\x18", encode_varint(ttl_s)))
