"""Transactions, applied: look, check, then do.

    1. choose    every compare, nested ones too, is evaluated on the state before the transaction
    2. check     the chosen path is checked on that state: leases exist, ignore_* keys exist, revisions can be read
    3. execute   operation by operation; later ones see what earlier ones wrote; one revision for all

So a refusal changes nothing (etcd.md 2.4). Which branch runs is remembered as a list of choices in the order in which the
transactions of the path are met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kvcluster import pb
from kvcluster.apply.applied import Applied
from kvcluster.apply.kv import publish
from kvcluster.apply.ranges import range_body
from kvcluster.apply.state import State
from kvcluster.apply.wire import EMPTY_HEADER, delete_body, encode_field, put_body, revision_header, txn_body
from kvcluster.errors import CompactedError, FutureRevisionError, KeyNotFoundError
from kvcluster.mvcc import KeyValue, Store, Txn

VALUE_TARGET = 3

_RESULTS: dict[int, Callable[[Any, Any], bool]] = {
    0: lambda found, wanted: found == wanted,
    1: lambda found, wanted: found > wanted,
    2: lambda found, wanted: found < wanted,
    3: lambda found, wanted: found != wanted,
}


def _operand(compare: pb.Compare) -> tuple[str, Any]:
    """(field of KeyValue, the value it is compared with); a missing operand is zero or empty."""
    match compare.target:
        case 0:
            return "version", compare.version
        case 1:
            return "create_revision", compare.create_revision
        case 2:
            return "mod_revision", compare.mod_revision
        case 3:
            return "value", compare.value
        case 4:
            return "lease", compare.lease
    return "", 0  # an unknown target compares as equal


def _holds_for(kv: KeyValue | None, compare: pb.Compare) -> bool:
    field, wanted = _operand(compare)
    if kv is None and compare.target == VALUE_TARGET:
        return False  # a key that is not there has no value, whatever the operator
    found = wanted if not field else (getattr(kv, field) if kv is not None else 0)
    result = _RESULTS.get(compare.result)
    return True if result is None else result(found, wanted)


def compare_holds(store: Store, compare: pb.Compare) -> bool:
    """A range must hold for all its keys; an empty one behaves like one missing key."""
    if not compare.range_end:
        return _holds_for(store.get(compare.key), compare)
    kvs = store.range(compare.key, compare.range_end).kvs
    return all(_holds_for(kv, compare) for kv in kvs) if kvs else _holds_for(None, compare)


def _choose(store: Store, request: pb.TxnRequest, choices: list[bool]) -> None:
    succeeded = all(compare_holds(store, compare) for compare in request.compare)
    choices.append(succeeded)
    for op in request.success if succeeded else request.failure:
        if op.HasField("request_txn"):
            _choose(store, op.request_txn, choices)


def _check(state: State, request: pb.TxnRequest, choices: list[bool]) -> None:
    """Puts first, then ranges, as etcd does: a transaction with two mistakes gets the same answer."""
    path = list(_path(request, iter(choices)))
    for op in path:
        if op.HasField("request_put"):
            _check_put(state, op.request_put)
    for op in path:
        if op.HasField("request_range"):
            _check_range(state.store, op.request_range.revision)


def _path(request: pb.TxnRequest, choices: Iterator[bool]) -> Iterator[pb.RequestOp]:
    """The operations that will run, those of nested transactions in their place."""
    for op in request.success if next(choices) else request.failure:
        if op.HasField("request_txn"):
            yield from _path(op.request_txn, choices)
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
    if revision and revision < store.compacted_revision:
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


def _execute(txn: Txn, request: pb.TxnRequest, choices: Iterator[bool]) -> bytes:
    """The body of the TxnResponse; the operations' own headers carry only their revision."""
    succeeded = next(choices)
    responses = []
    for op in request.success if succeeded else request.failure:
        match op.WhichOneof("request"):
            case "request_range":
                body = range_body(txn, op.request_range)
                responses.append(encode_field(b"\x0a", revision_header(txn.revision) + body))
            case "request_put":
                body = _put(txn, op.request_put)
                responses.append(encode_field(b"\x12", revision_header(txn.revision) + body))
            case "request_delete_range":
                body = _delete_range(txn, op.request_delete_range)
                responses.append(encode_field(b"\x1a", revision_header(txn.revision) + body))
            case "request_txn":
                responses.append(encode_field(b"\x22", EMPTY_HEADER + _execute(txn, op.request_txn, choices)))
    return txn_body(succeeded, responses)


def apply_txn(state: State, request: pb.TxnRequest) -> Applied:
    """Also runs read-only transactions, which do not come from the log. Raises what their operations would raise."""
    choices: list[bool] = []
    _choose(state.store, request, choices)
    _check(state, request, choices)
    txn = state.store.begin()
    try:
        body = _execute(txn, request, iter(choices))
    except BaseException:
        txn.rollback()
        raise
    publish(state, txn.commit())
    return Applied(state.store.revision, body)
