"""Transactions, applied: look, check, then do.

    1. choose    every compare, nested ones too, is evaluated on the state before the transaction
    2. check     the chosen path is checked on that state: leases exist, ignore_* keys exist, revisions can be read
    3. execute   operation by operation; later ones see what earlier ones wrote; one revision for all

So a refusal changes nothing (etcd.md 2.4). Which branch runs is remembered as a list of choices in the order in which the
transactions of the path are met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import eq, gt, lt, ne
from typing import Any

from kvcluster import pb
from kvcluster.apply.applied import Applied
from kvcluster.apply.kv import apply_put, publish
from kvcluster.apply.ranges import range_body
from kvcluster.apply.state import State
from kvcluster.apply.txn_plan import DELETE_RANGE, PUT, RANGE, TXN, Op, TxnPlan, plan_txn
from kvcluster.apply.wire import EMPTY_HEADER, delete_body, encode_field, put_body, revision_header, txn_body
from kvcluster.errors import CompactedError, FutureRevisionError, KeyNotFoundError
from kvcluster.mvcc import KeyValue, Store, Txn

VALUE_TARGET = 3

# By Compare.target: the field of a KeyValue, and of the Compare that holds the value it is compared with.
_FIELDS = ("version", "create_revision", "mod_revision", "value", "lease")
# By Compare.result.
_TESTS: tuple[Callable[[Any, Any], bool], ...] = (eq, gt, lt, ne)


def _holds_for(kv: KeyValue | None, compare: pb.Compare) -> bool:
    """A missing operand is zero or empty; an unknown target compares as equal, an unknown operator holds."""
    target, result = compare.target, compare.result
    if kv is None and target == VALUE_TARGET:
        return False  # a key that is not there has no value, whatever the operator
    if not 0 <= result <= 3:
        return True
    if not 0 <= target <= 4:
        return _TESTS[result](0, 0)
    field = _FIELDS[target]
    return _TESTS[result](0 if kv is None else getattr(kv, field), getattr(compare, field))


def compare_holds(store: Store, compare: pb.Compare) -> bool:
    """A range must hold for all its keys; an empty one behaves like one missing key."""
    if not compare.range_end:
        return _holds_for(store.get(compare.key), compare)
    kvs = store.range(compare.key, compare.range_end).kvs
    return all(_holds_for(kv, compare) for kv in kvs) if kvs else _holds_for(None, compare)


def _choose(store: Store, plan: TxnPlan, choices: list[bool]) -> list[Op]:
    """Adds the choices of a transaction and of those nested in it; -> the branch that runs."""
    succeeded = True
    for compare in plan.compares:
        if not compare_holds(store, compare):
            succeeded = False
            break
    choices.append(succeeded)
    branch = plan.success if succeeded else plan.failure
    if plan.has_nested:
        for kind, request in branch:
            if kind == TXN:
                _choose(store, request, choices)
    return branch


def _check(state: State, path: list[Op]) -> None:
    """Puts first, then ranges, as etcd does: a transaction with two mistakes gets the same answer."""
    for kind, request in path:
        if kind == PUT:
            _check_put(state, request)
    for kind, request in path:
        if kind == RANGE and request.revision:
            _check_range(state.store, request.revision)


def _path(plan: TxnPlan, choices: Iterator[bool]) -> Iterator[Op]:
    """The operations that will run, those of nested transactions in their place."""
    for op in plan.success if next(choices) else plan.failure:
        if op[0] == TXN:
            yield from _path(op[1], choices)
        else:
            yield op


def _check_put(state: State, request: pb.PutRequest) -> None:
    if (request.ignore_value or request.ignore_lease) and state.store.get(request.key) is None:
        raise KeyNotFoundError
    if request.lease:
        state.lessor.get(request.lease)


def _check_range(store: Store, revision: int) -> None:
    if revision > store.revision:
        raise FutureRevisionError
    if revision < store.compacted_revision:
        raise CompactedError(compact_revision=store.compacted_revision)


def _put(txn: Txn, request: pb.PutRequest) -> bytes:
    prev = txn.get(request.key)
    value, lease = request.value, request.lease
    if prev is not None:
        value = prev.value if request.ignore_value else value
        lease = prev.lease if request.ignore_lease else lease
    txn.put(request.key, value, lease)
    return put_body(prev if request.prev_kv else None)


def _delete_range(txn: Txn, request: pb.DeleteRangeRequest) -> bytes:
    prevs = txn.delete_range(request.key, request.range_end)
    return delete_body(len(prevs), prevs if request.prev_kv else ())


def _execute(txn: Txn, plan: TxnPlan, choices: Iterator[bool]) -> bytes:
    """The body of the TxnResponse; the operations' own headers carry only their revision."""
    succeeded = next(choices)
    responses = []
    for kind, request in plan.success if succeeded else plan.failure:
        if kind == RANGE:
            body = range_body(txn, request)
            responses.append(encode_field(b"\x0a", revision_header(txn.revision) + body))
        elif kind == PUT:
            body = _put(txn, request)
            responses.append(encode_field(b"\x12", revision_header(txn.revision) + body))
        elif kind == DELETE_RANGE:
            body = _delete_range(txn, request)
            responses.append(encode_field(b"\x1a", revision_header(txn.revision) + body))
        elif kind == TXN:
            responses.append(encode_field(b"\x22", EMPTY_HEADER + _execute(txn, request, choices)))
    return txn_body(succeeded, responses)


def apply_txn(state: State, request: pb.TxnRequest | TxnPlan) -> Applied:
    """Also runs read-only transactions, which do not come from the log. Raises what their operations would raise."""
    plan = request if isinstance(request, TxnPlan) else plan_txn(request)
    store = state.store
    choices: list[bool] = []
    branch = _choose(store, plan, choices)
    if len(branch) == 1 and branch[0][0] == PUT:
        _check_put(state, branch[0][1])
        put = apply_put(state, branch[0][1])  # the common case, create or swap: one put is one revision
        response = encode_field(b"\x12", revision_header(put.revision) + put.body)
        return Applied(put.revision, txn_body(choices[0], (response,)))
    _check(state, list(_path(plan, iter(choices))) if plan.has_nested else branch)
    txn = store.begin()
    try:
        body = _execute(txn, plan, iter(choices))
    except BaseException:
        txn.rollback()
        raise
    publish(state, txn.commit())
    return Applied(store.revision, body)
