"""What the API refuses before a request is proposed: the request's own mistakes, in etcd's order (etcd.md 2.2–2.4).

Each function raises an EtcdError or returns; the state of the store plays no part here.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

from kvcluster import pb
from kvcluster.errors import (
    DuplicateKeyError,
    EmptyKeyError,
    InvalidSortOptionError,
    KeyNotFoundError,
    LeaseProvidedError,
    TooManyOpsError,
    ValueProvidedError,
)
from kvcluster.member import Op, TxnPlan, txn_plan

PUT, RANGE, DELETE_RANGE, TXN = txn_plan.PUT, txn_plan.RANGE, txn_plan.DELETE_RANGE, txn_plan.TXN

Interval = tuple[bytes, bytes]
"""[begin, end)"""


def check_range(request: pb.RangeRequest) -> None:
    if not request.key:
        raise EmptyKeyError
    if request.sort_order > pb.RangeRequest.DESCEND or request.sort_target > pb.RangeRequest.VALUE:
        raise InvalidSortOptionError
    if request.sort_order < 0 or request.sort_target < 0:
        raise InvalidSortOptionError


def check_put(request: pb.PutRequest) -> None:
    if not request.key:
        raise EmptyKeyError
    if request.ignore_value and request.value:
        raise ValueProvidedError
    if request.ignore_lease and request.lease:
        raise LeaseProvidedError


def check_delete_range(request: pb.DeleteRangeRequest) -> None:
    if not request.key:
        raise EmptyKeyError


def check_txn(plan: TxnPlan, max_ops: int) -> None:
    """Sizes and keys first, nested transactions with what is left of the limit; then keys written twice."""
    _check_ops(plan, max_ops)
    for branch in (plan.success, plan.failure):
        if len(branch) > 1 or plan.has_nested:
            _check_overlaps(branch)


def _check_ops(plan: TxnPlan, max_ops: int) -> None:
    compares, success, failure, _ = plan
    count = max(len(compares), len(success), len(failure))
    if count > max_ops:
        raise TooManyOpsError
    for compare in compares:
        if not compare.key:
            raise EmptyKeyError
    for kind, request in success:
        _check_op(kind, request, max_ops - count)
    for kind, request in failure:
        _check_op(kind, request, max_ops - count)


def _check_op(kind: str | None, request: Any, max_ops: int) -> None:
    if kind == PUT:
        check_put(request)
    elif kind == RANGE:
        check_range(request)
    elif kind == DELETE_RANGE:
        check_delete_range(request)
    elif kind == TXN:
        _check_ops(request, max_ops)
    else:
        raise KeyNotFoundError  # an empty oneof (etcd answers it with this text)


class _Deletes:
    """Ranges deleted, and whether a key lies in one. A look-up is a binary search: a request may name tens of thousands."""

    __slots__ = ("intervals", "_begins", "_furthest_ends")

    def __init__(self, intervals: list[Interval]) -> None:
        self.intervals = intervals
        self._begins: list[bytes] | None = None
        self._furthest_ends: list[bytes] = []

    def add(self, intervals: list[Interval]) -> None:
        if intervals:
            self.intervals += intervals
            self._begins = None

    def contains(self, key: bytes) -> bool:
        """Some interval that begins at or before `key` ends after it: the one that reaches furthest says so."""
        if not self.intervals:
            return False
        if self._begins is None:
            self.intervals.sort()
            self._begins = [begin for begin, _ in self.intervals]
            self._furthest_ends = list(accumulate((end for _, end in self.intervals), max))
        at = bisect_right(self._begins, key)
        return at > 0 and self._furthest_ends[at - 1] > key


def _check_overlaps(ops: list[Op]) -> tuple[dict[bytes, None], list[Interval]]:
    """(keys put, ranges deleted) of a branch with everything nested in it. Raises DuplicateKeyError.

    A key may not be put twice, nor be put and deleted; deletes may overlap. The two branches of a nested transaction
    exclude each other, so they are compared with everything else but not with one another. Two combinations slip
    through, in etcd and therefore here: a delete to the end of the keyspace, and a delete nested behind a nested put.
    """
    puts: dict[bytes, None] = {}
    deletes = _Deletes([])
    nested: list[tuple[dict[bytes, None], list[Interval]]] = []
    for kind, request in ops:
        if kind == DELETE_RANGE:
            deletes.add([_interval(request.key, request.range_end)])
        elif kind == TXN:
            nested.append(_merge_branches(request))
    for nested_puts, nested_deletes in nested:
        _add_puts(puts, nested_puts, deletes)
        deletes.add(nested_deletes)
    for kind, request in ops:
        if kind == PUT:
            _add_puts(puts, {request.key: None}, deletes)
    return puts, deletes.intervals


def _merge_branches(plan: TxnPlan) -> tuple[dict[bytes, None], list[Interval]]:
    success_puts, success_deletes = _check_overlaps(plan.success)
    failure_puts, failure_deletes = _check_overlaps(plan.failure)
    return success_puts | failure_puts, success_deletes + failure_deletes


def _add_puts(puts: dict[bytes, None], more: dict[bytes, None], deletes: _Deletes) -> None:
    for key in more:
        if key in puts or deletes.contains(key):
            raise DuplicateKeyError
    puts.update(more)


def _interval(key: bytes, range_end: bytes) -> Interval:
    return key, range_end or key + b"\x00"


def is_read_only(plan: TxnPlan) -> bool:
    """Ranges only, in both branches; a nested transaction counts as a write (etcd)."""
    for kind, _ in plan.success:
        if kind != RANGE:
            return False
    return all(kind == RANGE for kind, _ in plan.failure)


def is_serializable(plan: TxnPlan) -> bool:
    """Whether a read-only transaction may be answered from this member's own state; an empty one may."""
    return all(request.serializable for branch in (plan.success, plan.failure) for _, request in branch)
