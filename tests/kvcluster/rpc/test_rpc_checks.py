"""Keys written twice in a transaction: the rule against a slow twin that compares everything with everything."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster import pb
from kvcluster.errors import DuplicateKeyError
from kvcluster.member import plan_txn
from kvcluster.rpc.checks import check_txn

MAX_OPS = 128

Branch = list[Any]
"""("put", key) | ("delete", key, range_end) | ("txn", success, failure)"""

keys = st.sampled_from([b"a", b"b", b"bb", b"c", b"d"])
ends = st.sampled_from([b"", b"", b"b", b"c", b"z", b"\0"])
puts = st.tuples(st.just("put"), keys)
deletes = st.tuples(st.just("delete"), keys, ends)
branches = st.recursive(
    st.lists(puts | deletes, max_size=3),
    lambda inner: st.lists(puts | deletes | st.tuples(st.just("txn"), inner, inner), max_size=4),
    max_leaves=12,
)


def build(branch: Branch) -> list[pb.RequestOp]:
    ops = []
    for kind, *rest in branch:
        if kind == "put":
            ops.append(pb.RequestOp(request_put=pb.PutRequest(key=rest[0])))
        elif kind == "delete":
            ops.append(pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=rest[0], range_end=rest[1])))
        else:
            ops.append(pb.RequestOp(request_txn=pb.TxnRequest(success=build(rest[0]), failure=build(rest[1]))))
    return ops


def is_deleted(key: bytes, deleted: list[tuple[bytes, bytes]]) -> bool:
    return any(begin <= key < (end or begin + b"\0") for begin, end in deleted)


def twin(branch: Branch) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """(keys put, ranges deleted). Raises DuplicateKeyError. In etcd's order: own deletes, nested ones, own puts."""
    put: list[bytes] = []
    deleted = [(op[1], op[2]) for op in branch if op[0] == "delete"]

    def add(more: list[bytes]) -> None:
        if any(key in put or is_deleted(key, deleted) for key in more):
            raise DuplicateKeyError
        put.extend(more)

    for op in branch:
        if op[0] == "txn":
            (success_puts, success_deletes), (failure_puts, failure_deletes) = twin(op[1]), twin(op[2])
            add(list(dict.fromkeys(success_puts + failure_puts)))
            deleted += success_deletes + failure_deletes
    for op in branch:
        if op[0] == "put":
            add([op[1]])
    return put, deleted


def is_refused(check: Any) -> bool:
    try:
        check()
    except DuplicateKeyError:
        return True
    return False


@settings(max_examples=500, deadline=None)
@given(branches, branches)
def test_overlaps_are_found_as_by_the_twin(success: Branch, failure: Branch) -> None:
    request = pb.TxnRequest(success=build(success), failure=build(failure))
    expected = is_refused(lambda: (twin(success), twin(failure)))
    assert is_refused(lambda: check_txn(plan_txn(request), MAX_OPS)) == expected


def test_the_work_grows_with_the_request_and_not_with_its_square(own_calls: Any) -> None:
    """A request of the permitted size can put and delete tens of thousands of keys, by nesting."""

    def nest(kind: str, width: int) -> Branch:
        leaves = [[(kind, b"%s%d" % (kind.encode(), at * width + n), b"") for n in range(width)] for at in range(width)]
        return [("txn", [leaf[:2] if kind == "put" else leaf for leaf in leaves_of], []) for leaves_of in leaves]

    def calls_per_op(width: int) -> float:
        request = pb.TxnRequest(success=build([*nest("delete", width), *nest("put", width)]))
        return len(own_calls(lambda: check_txn(plan_txn(request), MAX_OPS))) / (2 * width * width)

    assert calls_per_op(40) <= calls_per_op(10) < 8
