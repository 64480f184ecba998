"""The transaction of an optimistic write, laid by hand: put the key if its mod_revision is still this one, else read it.

It is what Kubernetes' storage sends for every create and update, so who runs in the member's process need not build a message
of five parts to have it taken apart again: `encode_put_if` gives the request's bytes for the log, `plan_put_if` what applying
reads of them. Tests compare both with the messages of kvcluster.pb.
"""

from __future__ import annotations

from typing import NamedTuple

from kvcluster import pb
from kvcluster.apply.kv import PutFields, encode_put
from kvcluster.apply.txn_plan import PUT, RANGE, TxnPlan
from kvcluster.mvcc import encode_varint

_EQUAL, _MOD = 0, 2


class ModIs(NamedTuple):
    """What applying reads of a Compare of a key's mod_revision."""

    key: bytes
    mod_revision: int
    result: int = _EQUAL
    target: int = _MOD
    range_end: bytes = b""


def encode_put_if(fields: PutFields, mod_revision: int) -> bytes:
    """TxnRequest: 1 compare (2 target, 3 key, 6 mod_revision), 2 success (2 put), 3 failure (1 range)."""
    key = fields.key
    key_size = encode_varint(len(key))
    compare = b"\x10\x02\x1a%b%b\x30%b" % (key_size, key, encode_varint(mod_revision))
    put = encode_put(fields)
    read = b"\x0a%b%b" % (key_size, key)
    put_size, read_size = encode_varint(len(put)), encode_varint(len(read))
    return b"".join(
        (
            b"\x0a", encode_varint(len(compare)), compare,
            b"\x12", encode_varint(1 + len(put_size) + len(put)), b"\x12", put_size, put,
            b"\x1a", encode_varint(1 + len(read_size) + len(read)), b"\x0a", read_size, read,
        )
    )  # fmt: skip


def plan_put_if(fields: PutFields, mod_revision: int) -> TxnPlan:
    compare = ModIs(fields.key, mod_revision)
    return TxnPlan([compare], [(PUT, fields)], [(RANGE, pb.RangeRequest(key=fields.key))], False)  # type: ignore[list-item]
