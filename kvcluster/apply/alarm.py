"""Alarms: what is wrong with the cluster as a whole, and which requests are refused meanwhile (etcd.md 2.11).

    NOSPACE    a member's store is over its quota: nothing that makes it larger; deletes, compaction and reads go on
    CORRUPT    members differ: no reads or writes through the log

An alarm is (type, member) and stays until it is disarmed, whatever became of its cause.
"""

from __future__ import annotations

from typing import Any

from kvcluster import pb
from kvcluster.apply import ops
from kvcluster.apply.applied import Applied
from kvcluster.apply.state import State
from kvcluster.apply.txn_plan import PUT, TXN, TxnPlan, plan_txn
from kvcluster.errors import CorruptClusterError, EtcdError, NoSpaceError

NONE, NOSPACE, CORRUPT = 0, 1, 2

_NEEDS_SPACE = (ops.PUT, ops.TXN, ops.LEASE_GRANT)
_OF_DATA = (ops.PUT, ops.DELETE_RANGE, ops.TXN, ops.COMPACT, ops.LEASE_GRANT, ops.LEASE_REVOKE)


def apply_alarm(state: State, request: pb.AlarmRequest) -> Applied:
    """Activates or deactivates, and answers with what that concerned: nothing where an alarm to be disarmed was not active."""
    alarm = (request.alarm, request.memberID)
    told: list[tuple[int, int]] = []
    if request.action == pb.AlarmRequest.ACTIVATE and request.alarm != NONE:
        state.alarms[alarm] = None
        told.append(alarm)
    elif request.action == pb.AlarmRequest.DEACTIVATE and alarm in state.alarms:
        del state.alarms[alarm]
        told.append(alarm)
    return Applied(state.store.revision, alarms_body(told))


def alarms_body(alarms: list[tuple[int, int]]) -> bytes:
    """The AlarmResponse without its header."""
    members = [pb.AlarmMember(memberID=member, alarm=kind) for kind, member in alarms]
    return pb.AlarmResponse(alarms=members).SerializeToString()


def refusal(state: State, op: int, request: Any) -> EtcdError | None:
    """Why an entry may not be applied while the alarms that there are last."""
    kinds = {kind for kind, _ in state.alarms}
    if CORRUPT in kinds and op in _OF_DATA:
        return CorruptClusterError()
    if NOSPACE in kinds and op in _NEEDS_SPACE and (op != ops.TXN or has_puts(request)):
        return NoSpaceError()
    return None


def has_puts(request: pb.TxnRequest | TxnPlan) -> bool:
    """In either branch, and in what is nested in them."""
    plan = request if isinstance(request, TxnPlan) else plan_txn(request)
    return any(kind == PUT or (kind == TXN and has_puts(inner)) for kind, inner in (*plan.success, *plan.failure))
