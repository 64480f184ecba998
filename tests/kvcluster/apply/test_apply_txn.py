"""Transactions, applied: look, check, then do (etcd.md 2.4)."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster import pb
from kvcluster.apply import ops
from kvcluster.errors import CompactedError, FutureRevisionError, KeyNotFoundError, LeaseNotFoundError


def op_put(key: bytes, value: bytes = b"v", **fields: Any) -> pb.RequestOp:
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, **fields))


def op_range(key: bytes, **fields: Any) -> pb.RequestOp:
    return pb.RequestOp(request_range=pb.RangeRequest(key=key, **fields))


def op_delete(key: bytes, **fields: Any) -> pb.RequestOp:
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key, **fields))


def op_txn(**fields: Any) -> pb.RequestOp:
    return pb.RequestOp(request_txn=pb.TxnRequest(**fields))


def txn(bench: Any, **fields: Any) -> Any:
    return bench.apply(ops.TXN, pb.TxnRequest(**fields))


def done(applied: Any) -> pb.TxnResponse:
    """The response; its bytes must be exactly those that protobuf writes."""
    assert applied.error is None
    response = pb.TxnResponse.FromString(applied.body)
    assert response.SerializeToString() == applied.body
    return response


@pytest.fixture
def filled(bench: Any) -> Any:
    """a: version 2, created 2, modified 3, value "m", lease 7; b: version 1, created 4. Revision 4."""
    bench.apply(ops.LEASE_GRANT, pb.LeaseGrantRequest(ID=7, TTL=10))
    bench.apply(ops.PUT, pb.PutRequest(key=b"a", value=b"x"))
    bench.apply(ops.PUT, pb.PutRequest(key=b"a", value=b"m", lease=7))
    bench.apply(ops.PUT, pb.PutRequest(key=b"b", value=b"m"))
    return bench


EQUAL, GREATER, LESS, NOT_EQUAL = range(4)
TARGETS = [
    (pb.Compare.VERSION, "version", 1, 2, 3),
    (pb.Compare.CREATE, "create_revision", 1, 2, 3),
    (pb.Compare.MOD, "mod_revision", 2, 3, 4),
    (pb.Compare.VALUE, "value", b"l", b"m", b"n"),
    (pb.Compare.LEASE, "lease", 6, 7, 8),
]


@pytest.mark.parametrize("target, field, below, same, above", TARGETS)
def test_every_target_with_every_operator(
    filled: Any, target: int, field: str, below: Any, same: Any, above: Any
) -> None:
    truth = {
        EQUAL: (False, True, False),
        GREATER: (True, False, False),
        LESS: (False, False, True),
        NOT_EQUAL: (True, False, True),
    }
    for result, expected in truth.items():
        found = []
        for operand in (below, same, above):
            compare = pb.Compare(key=b"a", target=target, result=result, **{field: operand})
            found.append(done(txn(filled, compare=[compare])).succeeded)
        assert tuple(found) == expected, result


@pytest.mark.parametrize("target, field, below, same, above", TARGETS)
def test_a_missing_key_compares_as_zeros_but_has_no_value(
    filled: Any, target: int, field: str, below: Any, same: Any, above: Any
) -> None:
    is_value = target == pb.Compare.VALUE
    zero = b"" if is_value else 0
    for result, expected in ((EQUAL, True), (GREATER, False), (LESS, False), (NOT_EQUAL, False)):
        compare = pb.Compare(key=b"none", target=target, result=result, **{field: zero})
        assert done(txn(filled, compare=[compare])).succeeded is (expected and not is_value)
    compare = pb.Compare(key=b"none", target=target, result=NOT_EQUAL, **{field: same})
    assert done(txn(filled, compare=[compare])).succeeded is not is_value


def test_a_range_compare_holds_for_all_keys_and_an_empty_range_is_one_missing_key(filled: Any) -> None:
    def holds(key: bytes, range_end: bytes, version: int) -> bool:
        compare = pb.Compare(key=key, range_end=range_end, target=pb.Compare.VERSION, version=version, result=LESS)
        return bool(done(txn(filled, compare=[compare])).succeeded)

    assert holds(b"a", b"c", 3) and not holds(b"a", b"c", 2) and holds(b"b", b"\0", 2)
    assert holds(b"x", b"z", 1) and not holds(b"x", b"z", 0)


def test_unknown_operator_holds_and_unknown_target_is_equal(filled: Any) -> None:
    assert done(txn(filled, compare=[pb.Compare(key=b"a", result=9, version=77)])).succeeded
    assert done(txn(filled, compare=[pb.Compare(key=b"a", target=9, result=EQUAL)])).succeeded
    assert not done(txn(filled, compare=[pb.Compare(key=b"a", target=9, result=LESS)])).succeeded


def test_compares_are_a_conjunction_and_the_other_branch_runs_else(filled: Any) -> None:
    yes = pb.Compare(key=b"a", target=pb.Compare.VERSION, version=2)
    no = pb.Compare(key=b"a", target=pb.Compare.VERSION, version=9)
    response = done(txn(filled, compare=[yes, no], success=[op_put(b"s")], failure=[op_put(b"f")]))
    assert not response.succeeded
    assert filled.store.get(b"s") is None and filled.store.get(b"f") is not None


def test_nested_compares_look_at_the_state_before(filled: Any) -> None:
    is_new = pb.Compare(key=b"n", target=pb.Compare.VERSION, version=0)
    nested = op_txn(compare=[is_new], success=[op_put(b"yes")], failure=[op_put(b"no")])
    response = done(txn(filled, success=[op_put(b"n"), nested]))
    assert response.responses[1].response_txn.succeeded
    assert filled.store.get(b"yes") is not None


def test_headers_inside_carry_the_revision_only_and_a_nested_one_is_present_and_empty(filled: Any) -> None:
    nested = op_txn(success=[op_range(b"n")])
    response = done(txn(filled, success=[op_range(b"a"), op_put(b"n"), op_range(b"n"), op_delete(b"b"), nested]))
    first, second, third, fourth, fifth = response.responses
    assert first.response_range.header == pb.ResponseHeader(revision=4)
    assert second.response_put.header == pb.ResponseHeader(revision=5)
    assert third.response_range.header == pb.ResponseHeader(revision=5)
    assert third.response_range.kvs[0].mod_revision == 5
    assert fourth.response_delete_range == pb.DeleteRangeResponse(header=pb.ResponseHeader(revision=5), deleted=1)
    assert fifth.response_txn.HasField("header") and fifth.response_txn.header == pb.ResponseHeader()
    assert fifth.response_txn.responses[0].response_range.count == 1


def test_one_revision_one_delivery_in_the_order_of_the_operations(filled: Any) -> None:
    before = len(filled.deliveries)
    txn(filled, success=[op_put(b"z"), op_delete(b"a"), op_put(b"c")])
    assert len(filled.deliveries) == before + 1
    assert filled.events()[-3:] == [(5, "put", b"z"), (5, "delete", b"a"), (5, "put", b"c")]
    assert filled.lessor.lease_of(b"a") == 0


def test_prev_kvs_and_ignored_fields(filled: Any) -> None:
    response = done(
        txn(filled, success=[op_put(b"a", b"", ignore_value=True, ignore_lease=True, prev_kv=True),
                             op_delete(b"b", prev_kv=True)])
    )  # fmt: skip
    assert response.responses[0].response_put.prev_kv.version == 2
    assert response.responses[1].response_delete_range.prev_kvs[0].key == b"b"
    kv = filled.store.get(b"a")
    assert (kv.value, kv.lease, kv.version) == (b"m", 7, 3)


REFUSALS = [
    (op_put(b"x", lease=99), LeaseNotFoundError),
    (op_put(b"x", b"", ignore_value=True), KeyNotFoundError),
    (op_put(b"x", ignore_lease=True), KeyNotFoundError),
    (op_range(b"a", revision=5), FutureRevisionError),
    (op_range(b"a", revision=2), CompactedError),
    (op_range(b"a", revision=-1), CompactedError),
    (op_txn(success=[op_put(b"x", lease=99)]), LeaseNotFoundError),
]


@pytest.mark.parametrize("refused, error", REFUSALS)
def test_a_refusal_changes_nothing(filled: Any, refused: pb.RequestOp, error: type[Exception]) -> None:
    filled.apply(ops.COMPACT, pb.CompactionRequest(revision=3))
    before = filled.store.hash(), filled.lessor.snapshot(), len(filled.deliveries)
    applied = txn(filled, success=[op_put(b"first", lease=7), op_delete(b"a"), refused])
    assert isinstance(applied.error, error) and applied.body == b"" and applied.revision == 4
    assert (filled.store.hash(), filled.lessor.snapshot(), len(filled.deliveries)) == before


def test_puts_are_checked_before_ranges(filled: Any) -> None:
    """etcd: checkRequests runs once over the path for puts, then once for ranges."""
    assert isinstance(
        txn(filled, success=[op_range(b"a", revision=9), op_put(b"x", lease=99)]).error, LeaseNotFoundError
    )


def test_only_the_chosen_path_is_checked(filled: Any) -> None:
    assert txn(filled, success=[op_put(b"x")], failure=[op_put(b"y", lease=99)]).error is None


def test_ignoring_looks_at_the_state_before(filled: Any) -> None:
    nested = op_txn(success=[op_put(b"new", b"", ignore_value=True)])
    assert isinstance(txn(filled, success=[op_put(b"new2"), nested]).error, KeyNotFoundError)


def test_a_transaction_without_change_makes_no_revision(filled: Any) -> None:
    before = len(filled.deliveries)
    assert txn(filled, success=[op_range(b"a"), op_delete(b"none")]).revision == 4
    assert filled.applier.read_txn(pb.TxnRequest(success=[op_range(b"a")])).revision == 4
    assert isinstance(
        filled.applier.read_txn(pb.TxnRequest(success=[op_range(b"a", revision=9)])).error, FutureRevisionError
    )
    assert len(filled.deliveries) == before
