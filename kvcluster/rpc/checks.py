"""What the API refuses before a request is proposed: the request's own mistakes, in etcd's order (etcd.md 2.2–2.4).

Each function raises an EtcdError or returns; the state of the store plays no part here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

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


def check_txn(request: pb.TxnRequest, max_ops: int) -> None:
    """Sizes and keys first, nested transactions with what is left of the limit; then keys written twice."""
    _check_ops(request, max_ops)
    for branch in (request.success, request.failure):
        _check_overlaps(branch)


def _check_ops(request: pb.TxnRequest, max_ops: int) -> None:
    count = max(len(request.compare), len(request.success), len(request.failure))
    if count > max_ops:
        raise TooManyOpsError
    for compare in request.compare:
        if not compare.key:
            raise EmptyKeyError
    for branch in (request.success, request.failure):
        for op in branch:
            _check_op(op, max_ops - count)


def _check_op(op: pb.RequestOp, max_ops: int) -> None:
    match op.WhichOneof("request"):
        case "request_range":
            check_range(op.request_range)
        case "request_put":
            check_put(op.request_put)
        case "request_delete_range":
            check_delete_range(op.request_delete_range)
        case "request_txn":
            _check_ops(op.request_txn, max_ops)
        case _:
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


def _check_overlaps(ops: Iterable[pb.RequestOp]) -> tuple[dict[bytes, None], list[Interval]]:
    """(keys put, ranges deleted) of a branch with everything nested in it. Raises DuplicateKeyError.

    A key may not be put twice, nor be put and deleted; deletes may overlap. The two branches of a nested transaction
    exclude each other, so they are compared with everything else but not with one another. Two combinations slip
    through, in etcd and therefore here: a delete to the end of the keyspace, and a delete nested behind a nested put.
    """
    puts: dict[bytes, None] = {}
    deletes = _Deletes([])
    nested: list[tuple[dict[bytes, None], list[Interval]]] = []
    for op in ops:
        kind = op.WhichOneof("request")
        if kind == "request_delete_range":
            deletes.add([_interval(op.request_delete_range.key, op.request_delete_range.range_end)])
        elif kind == "request_txn":
            nested.append(_merge_branches(op.request_txn))
    for nested_puts, nested_deletes in nested:
        _add_puts(puts, nested_puts, deletes)
        deletes.add(nested_deletes)
    for op in ops:
        if op.WhichOneof("request") == "request_put":
            _add_puts(puts, {op.request_put.key: None}, deletes)
    return puts, deletes.intervals


def _merge_branches(request: pb.TxnRequest) -> tuple[dict[bytes, None], list[Interval]]:
    success_puts, success_deletes = _check_overlaps(request.success)
    failure_puts, failure_deletes = _check_overlaps(request.failure)
    return success_puts | failure_puts, success_deletes + failure_deletes


def _add_puts(puts: dict[bytes, None], more: dict[bytes, None], deletes: _Deletes) -> None:
    for key in more:
        if key in puts or deletes.contains(key):
            raise DuplicateKeyError
    puts.update(more)


def _interval(key: bytes, range_end: bytes) -> Interval:
    return key, range_end or key + b"\x00"


def is_read_only(request: pb.TxnRequest) -> bool:
    """Ranges only, in both branches; a nested transaction counts as a write (etcd)."""
    return all(op.HasField("request_range") for branch in (request.success, request.failure) for op in branch)


def is_serializable(request: pb.TxnRequest) -> bool:
    """Whether a read-only transaction may be answered from this member's own state; an empty one may."""
    ops = [op for branch in (request.success, request.failure) for op in branch]
    return all(op.request_range.serializable for op in ops)
