"""Between the records of interface.py and etcd's messages. Pure; raises ValueError for records that mean nothing.

build_*: arguments → request messages. decode_*: response messages → records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kvcluster import pb
from kvcluster.client.interface import (
    Compare,
    DeleteOp,
    DeleteResult,
    Event,
    KeyValue,
    LeaseInfo,
    MemberInfo,
    Op,
    PutIfResult,
    PutOp,
    PutResult,
    RangeOp,
    RangeResult,
    Status,
    TxnOp,
    TxnResult,
)

_RESULTS = {"==": pb.Compare.EQUAL, "!=": pb.Compare.NOT_EQUAL, ">": pb.Compare.GREATER, "<": pb.Compare.LESS}
_TARGETS = {
    "version": (pb.Compare.VERSION, "version"),
    "create": (pb.Compare.CREATE, "create_revision"),
    "mod": (pb.Compare.MOD, "mod_revision"),
    "value": (pb.Compare.VALUE, "value"),
    "lease": (pb.Compare.LEASE, "lease"),
}
_DELETE = pb.Event.DELETE

# Hot: a third of the price of KeyValue(...), which runs a Python function per record.
_new_tuple = tuple.__new__


# -- requests -------------------------------------------------------------------------------------------------------


def build_txn(compare: Sequence[Compare], success: Sequence[Op], failure: Sequence[Op]) -> pb.TxnRequest:
    return pb.TxnRequest(
        compare=[_build_compare(one) for one in compare],
        success=[_build_op(op) for op in success],
        failure=[_build_op(op) for op in failure],
    )


def build_put_if(key: bytes, value: bytes, mod_revision: int, lease: int) -> pb.TxnRequest:
    """The transaction of an optimistic write, as Kubernetes' storage sends it: what is there comes back on failure."""
    return _build_if(key, mod_revision, pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease)))


def build_delete_if(key: bytes, mod_revision: int) -> pb.TxnRequest:
    return _build_if(key, mod_revision, pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key)))


def _build_if(key: bytes, mod_revision: int, op: pb.RequestOp) -> pb.TxnRequest:
    compare = pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=mod_revision)
    read = pb.RequestOp(request_range=pb.RangeRequest(key=key))
    return pb.TxnRequest(compare=[compare], success=[op], failure=[read])


def _build_compare(compare: Compare) -> pb.Compare:
    if compare.target not in _TARGETS:
        raise ValueError(f"compare target {compare.target!r}: expected one of {', '.join(_TARGETS)}")
    if compare.result not in _RESULTS:
        raise ValueError(f"compare result {compare.result!r}: expected one of {', '.join(_RESULTS)}")
    if isinstance(compare.operand, bytes) != (compare.target == "value"):
        raise ValueError(f"compare target {compare.target!r}: {compare.operand!r} is not of its type")
    target, field = _TARGETS[compare.target]
    built = pb.Compare(key=compare.key, range_end=compare.range_end, target=target, result=_RESULTS[compare.result])
    setattr(built, field, compare.operand)
    return built


def _build_op(op: Op) -> pb.RequestOp:
    if isinstance(op, PutOp):
        put = pb.PutRequest(key=op.key, value=op.value, lease=op.lease, prev_kv=op.prev_kv)
        return pb.RequestOp(request_put=put)
    if isinstance(op, DeleteOp):
        delete = pb.DeleteRangeRequest(key=op.key, range_end=op.range_end, prev_kv=op.prev_kv)
        return pb.RequestOp(request_delete_range=delete)
    if isinstance(op, RangeOp):
        read = pb.RangeRequest(
            key=op.key, range_end=op.range_end, limit=op.limit, revision=op.revision,
            keys_only=op.keys_only, count_only=op.count_only,
        )  # fmt: skip
        return pb.RequestOp(request_range=read)
    if isinstance(op, TxnOp):
        return pb.RequestOp(request_txn=build_txn(op.compare, op.success, op.failure))
    raise ValueError(f"{op!r} is no operation of a transaction")


# -- responses ------------------------------------------------------------------------------------------------------


def decode_key_value(kv: pb.KeyValue) -> KeyValue:
    fields = (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    return _new_tuple(KeyValue, fields)


def decode_range(response: pb.RangeResponse, revision: int) -> RangeResult:
    return RangeResult([decode_key_value(kv) for kv in response.kvs], response.count, response.more, revision)


def decode_put(response: pb.PutResponse, revision: int) -> PutResult:
    return PutResult(revision, decode_key_value(response.prev_kv) if response.HasField("prev_kv") else None)


def decode_delete(response: pb.DeleteRangeResponse, revision: int) -> DeleteResult:
    return DeleteResult(response.deleted, revision, [decode_key_value(kv) for kv in response.prev_kvs])


def decode_txn(response: pb.TxnResponse, revision: int) -> TxnResult:
    """`revision` is the transaction's: results inside it carry the same, as they all happened there."""
    return TxnResult(response.succeeded, revision, [_decode_op(one, revision) for one in response.responses])


def _decode_op(response: pb.ResponseOp, revision: int) -> PutResult | DeleteResult | RangeResult | TxnResult:
    if response.HasField("response_put"):
        return decode_put(response.response_put, revision)
    if response.HasField("response_range"):
        return decode_range(response.response_range, revision)
    if response.HasField("response_delete_range"):
        return decode_delete(response.response_delete_range, revision)
    return decode_txn(response.response_txn, revision)


def decode_put_if(response: pb.TxnResponse, revision: int) -> PutIfResult:
    """Of the transactions of build_put_if and build_delete_if."""
    if response.succeeded:
        return PutIfResult(True, revision)
    kvs = response.responses[0].response_range.kvs
    return PutIfResult(False, revision, decode_key_value(kvs[0]) if kvs else None)


def decode_events(events: Iterable[pb.Event]) -> list[Event]:
    return [
        _new_tuple(
            Event,
            (
                event.type == _DELETE,
                decode_key_value(event.kv),
                decode_key_value(event.prev_kv) if event.HasField("prev_kv") else None,
            ),
        )
        for event in events
    ]


def decode_lease_ttl(response: pb.LeaseTimeToLiveResponse) -> LeaseInfo:
    return LeaseInfo(response.ID, response.TTL, response.grantedTTL, list(response.keys))


def decode_members(members: Iterable[pb.Member]) -> list[MemberInfo]:
    return [
        MemberInfo(member.ID, member.name, list(member.peerURLs), list(member.clientURLs), member.isLearner)
        for member in members
    ]


def decode_status(response: pb.StatusResponse) -> Status:
    header = response.header
    return Status(
        header.cluster_id, header.member_id, header.revision, response.raftTerm, response.version, response.dbSize,
        response.leader, response.raftIndex, response.raftAppliedIndex, response.isLearner, list(response.errors),
    )  # fmt: skip
