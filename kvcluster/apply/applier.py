"""Committed bytes → result. A table by operation; deterministic: no clock, no chance, no order but the log's.

What it is: the one place where entries change the replicated state. What it is not: it checks nothing that rpc checks before
a request is proposed (empty keys, too many operations); those requests never enter a log.

Payloads are the client's own request bytes. Where this member parsed them already (it proposed them), it hands the
message in instead of having it parsed again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.apply import ops
from kvcluster.apply.alarm import apply_alarm, refusal
from kvcluster.apply.applied import Applied
from kvcluster.apply.attributes import apply_attributes, apply_downgrade
from kvcluster.apply.auth import AUTH_TABLE, check_access, split_identity
from kvcluster.apply.kv import apply_compact, apply_delete_range, apply_put
from kvcluster.apply.lease import apply_lease_grant, apply_lease_revoke
from kvcluster.apply.membership import apply_membership, decode_change
from kvcluster.apply.ranges import range_body
from kvcluster.apply.state import State
from kvcluster.apply.txn import apply_txn
from kvcluster.apply.txn_plan import TxnPlan, parse_txn
from kvcluster.auth import NOBODY
from kvcluster.errors import EtcdError
from kvcluster.mvcc import encode_range_body

# op → (payload → request, what it does)
_TABLE: dict[int, tuple[Callable[[bytes], Any], Callable[[State, Any], Applied]]] = {
    ops.PUT: (pb.PutRequest.FromString, apply_put),
    ops.DELETE_RANGE: (pb.DeleteRangeRequest.FromString, apply_delete_range),
    ops.TXN: (parse_txn, apply_txn),
    ops.COMPACT: (pb.CompactionRequest.FromString, apply_compact),
    ops.LEASE_GRANT: (pb.LeaseGrantRequest.FromString, apply_lease_grant),
    ops.LEASE_REVOKE: (pb.LeaseRevokeRequest.FromString, apply_lease_revoke),
    ops.MEMBER_ATTRIBUTES: (pb.Member.FromString, apply_attributes),
    ops.ALARM: (pb.AlarmRequest.FromString, apply_alarm),
    ops.DOWNGRADE: (pb.DowngradeRequest.FromString, apply_downgrade),
    ops.MEMBERSHIP: (decode_change, apply_membership),
    **AUTH_TABLE,
}


class Applier:
    """See the module. `state` is the replicated state machine."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state

    def apply(self, op: int, payload: bytes, parsed: Any = None) -> Applied:
        """Applies one entry. An error of the request is a result, not an exception: every member has the same one.

        Raises KeyError for an unknown op and DecodeError for bytes that are no message: a log of another program.
        """
        state = self.state
        if op >= ops.AUTHORIZED or state.auth.is_enabled or state.alarms:
            return self._apply_guarded(op, payload, parsed)
        parse, function = _TABLE[op]
        try:
            return function(state, parsed if parsed is not None else parse(payload))
        except EtcdError as error:
            return Applied(state.store.revision, b"", error)

    def _apply_guarded(self, op: int, payload: bytes, parsed: Any) -> Applied:
        """Where not everybody may do everything. parsed: (who asked, the message) if the entry says who did."""
        state, who = self.state, NOBODY
        if op >= ops.AUTHORIZED:
            op -= ops.AUTHORIZED
            who, payload, parsed = (
                (parsed[0], b"", parsed[1]) if parsed is not None else (*split_identity(payload), None)
            )
        parse, function = _TABLE[op]
        request = parsed if parsed is not None else parse(payload)
        try:
            check_access(state, op, who, request)
            error = refusal(state, op, request)
            if error is not None:
                raise error
            return function(state, request)
        except EtcdError as error:
            return Applied(state.store.revision, b"", error)

    def range(self, request: pb.RangeRequest) -> Applied:
        """A read of this member's own state: serializable, or linearizable after a read barrier."""
        store = self.state.store
        if not request.range_end and not request.revision and not request.count_only and not request.keys_only:
            kv = store.get(request.key)  # the fast path: filters and sorts of one key at most drop it
            if kv is None:
                return Applied(store.revision)
            if not (request.min_mod_revision or request.max_mod_revision or request.min_create_revision or
                    request.max_create_revision):  # fmt: skip
                return Applied(store.revision, encode_range_body([kv.wire], more=False, count=1))
        try:
            return Applied(store.revision, range_body(store, request))
        except EtcdError as error:
            return Applied(store.revision, b"", error)

    def read_txn(self, request: pb.TxnRequest | TxnPlan) -> Applied:
        """A transaction of ranges only, which needs no entry of the log."""
        try:
            return apply_txn(self.state, request)
        except EtcdError as error:
            return Applied(self.state.store.revision, b"", error)
