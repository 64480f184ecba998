"""The KV service: Range, Put, DeleteRange, Txn, Compact.

A response is header + body: the member's header for the revision, and the body that apply laid. Writes go through the log;
reads wait for a read barrier unless the client asked for a serializable one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.auth import Identity
from kvcluster.errors import EtcdError, NoSpaceError
from kvcluster.member import Applied, Member, TxnPlan, check_txn_access, ops, plan_txn
from kvcluster.rpc.access import Access
from kvcluster.rpc.checks import (
    check_delete_range,
    check_put,
    check_range,
    check_txn,
    is_read_only,
    is_serializable,
)
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.quota import PUT_COST_BYTES, Quota, put_cost, txn_cost
from kvcluster.rpc.status import status_of
from kvcluster.wire import ServiceCall


class KvService:
    """max_txn_ops: etcd's --max-txn-ops."""

    __slots__ = ("_member", "_auth", "_access", "_max_txn_ops", "_quota")

    def __init__(self, member: Member, access: Access, max_txn_ops: int, quota: Quota) -> None:
        self._member = member
        self._auth = member.auth
        self._access = access
        self._max_txn_ops = max_txn_ops
        self._quota = quota

    def _answer(self, call: ServiceCall, applied: Applied) -> None:
        if applied.error is None:
            call.reply(self._member.header(applied.revision), applied.body)
        else:
            call.fail(*status_of(applied.error))

    def _propose(self, call: ServiceCall, op: int, payload: bytes, request: Any) -> None:
        if self._auth.is_enabled:
            self._access.propose(call, op, payload, lambda applied: self._answer(call, applied), request)
        else:
            self._member.propose(op, payload, lambda applied: self._answer(call, applied), request)

    def put(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.PutRequest, payload, call, self._member)
        if request is None:
            return
        quota = self._quota
        quota.allowance_bytes -= len(payload) + PUT_COST_BYTES
        if quota.allowance_bytes < 0 and quota.is_exceeded_by(put_cost(request)):
            call.fail(*status_of(NoSpaceError()))
            return
        try:
            check_put(request)
        except EtcdError as error:
            call.fail(*status_of(error))
            return
        self._propose(call, ops.PUT, payload, request)

    def delete_range(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.DeleteRangeRequest, payload, call, self._member)
        if request is None:
            return
        try:
            check_delete_range(request)
        except EtcdError as error:
            call.fail(*status_of(error))
            return
        self._propose(call, ops.DELETE_RANGE, payload, request)

    def range(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.RangeRequest, payload, call, self._member)
        if request is None:
            return
        try:
            check_range(request)
        except EtcdError as error:
            call.fail(*status_of(error))
            return
        auth = self._auth
        check = (lambda who: auth.check_range(who, request.key, request.range_end)) if auth.is_enabled else None
        self._read(call, lambda: self._member.applier.range(request), request.serializable, check)

    def _read(
        self,
        call: ServiceCall,
        look: Callable[[], Applied],
        serializable: bool,
        check: Callable[[Identity], None] | None,
    ) -> None:
        """check: whom it lets, asked at the moment of the read."""

        def answer() -> None:
            if check is None:
                self._answer(call, look())
            else:
                self._access.check(call, check, lambda: self._answer(call, look()))

        def done(error: EtcdError | None) -> None:
            if error is None:
                answer()
            else:
                call.fail(*status_of(error))

        if serializable:
            answer()
        else:
            self._member.read_barrier(done)

    def _read_txn(self, call: ServiceCall, plan: TxnPlan) -> None:
        state = self._member.applier.state
        check = (lambda who: check_txn_access(state, who, plan)) if self._auth.is_enabled else None
        self._read(call, lambda: self._member.applier.read_txn(plan), is_serializable(plan), check)

    def txn(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.TxnRequest, payload, call, self._member)
        if request is None:
            return
        try:
            plan = plan_txn(request)
            if self._quota.is_exceeded_by(txn_cost(plan)):
                raise NoSpaceError
            check_txn(plan, self._max_txn_ops)
        except EtcdError as error:
            call.fail(*status_of(error))
            return
        if is_read_only(plan):
            self._read_txn(call, plan)
        else:
            self._propose(call, ops.TXN, payload, plan)

    def compact(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.CompactionRequest, payload, call, self._member)
        if request is None:
            return

        def done(applied: Applied) -> None:
            if applied.error is None and request.physical:
                self._member.when_compacted(lambda freed: self._answer(call, freed))
            else:
                self._answer(call, applied)

        self._access.propose(call, ops.COMPACT, payload, done, request)
