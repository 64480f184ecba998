"""A transaction, taken apart once: what rpc checks and apply runs, without asking the message again and again.

A TxnRequest is walked five times on its way (checked, classified, compared, checked against the state, executed). Asking a
message which of its `oneof` is set, and for the message inside, costs as much as the work itself; so the walk starts from this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kvcluster import pb

RANGE, PUT, DELETE_RANGE, TXN = "request_range", "request_put", "request_delete_range", "request_txn"

Op = tuple[str | None, Any]
"""(which of RequestOp's oneof is set, the request in it); for TXN a TxnPlan; (None, None) for an empty one."""


class TxnPlan(NamedTuple):
    """compares: as in the request. has_nested: some operation, in either branch, is a transaction itself."""

    compares: Sequence[pb.Compare]
    success: list[Op]
    failure: list[Op]
    has_nested: bool


def plan_txn(request: pb.TxnRequest) -> TxnPlan:
    success, failure = list(map(_plan_op, request.success)), list(map(_plan_op, request.failure))
    has_nested = False
    for op in success:
        has_nested |= op[0] == TXN
    for op in failure:
        has_nested |= op[0] == TXN
    return TxnPlan(list(request.compare), success, failure, has_nested)


def _plan_op(op: pb.RequestOp) -> Op:
    kind = op.WhichOneof("request")
    if kind is None:
        return None, None
    request = getattr(op, kind)
    return kind, (plan_txn(request) if kind == TXN else request)


def parse_txn(payload: bytes) -> TxnPlan:
    """Raises DecodeError."""
    return plan_txn(pb.TxnRequest.FromString(payload))
