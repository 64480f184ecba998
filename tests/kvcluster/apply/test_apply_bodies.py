"""Ranges against a slow twin, and bodies laid by hand against the messages of protobuf, byte for byte."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster import pb
from kvcluster.apply import Applier, PutFields, State, encode_put, ops
from kvcluster.apply.wire import (
    EMPTY_HEADER,
    delete_body,
    encode_field,
    lease_grant_body,
    put_body,
    revision_header,
    txn_body,
)
from kvcluster.errors import CompactedError, EtcdError, FutureRevisionError
from kvcluster.lease import Lessor
from kvcluster.mvcc import KeyValue, Store
from kvcluster.watch import Hub

int64s = st.integers(-(2**63), 2**63 - 1)
revisions = st.integers(0, 2**63 - 1)
texts = st.binary(max_size=300)
kvs = st.builds(KeyValue, texts, texts, revisions, revisions, revisions, int64s)


def message(kv: KeyValue) -> pb.KeyValue:
    return pb.KeyValue(
        key=kv.key,
        value=kv.value,
        create_revision=kv.create_revision,
        mod_revision=kv.mod_revision,
        version=kv.version,
        lease=kv.lease,
    )


@given(st.none() | kvs)
def test_put_body(prev: KeyValue | None) -> None:
    expected = pb.PutResponse(prev_kv=message(prev)) if prev else pb.PutResponse()
    assert put_body(prev) == expected.SerializeToString()


@given(st.lists(kvs, max_size=5), st.integers(0, 2**40))
def test_delete_body(prevs: list[KeyValue], deleted: int) -> None:
    expected = pb.DeleteRangeResponse(deleted=deleted, prev_kvs=[message(prev) for prev in prevs])
    assert delete_body(deleted, prevs) == expected.SerializeToString()


@given(st.booleans(), st.lists(st.tuples(st.integers(1, 2**62), st.none() | kvs), max_size=4))
def test_txn_body(succeeded: bool, puts: list[tuple[int, KeyValue | None]]) -> None:
    expected = pb.TxnResponse(succeeded=succeeded)
    responses = []
    for revision, prev in puts:
        inner = expected.responses.add().response_put
        inner.header.revision = revision
        if prev:
            inner.prev_kv.CopyFrom(message(prev))
        responses.append(encode_field(b"\x12", revision_header(revision) + put_body(prev)))
    nested = expected.responses.add().response_txn
    nested.header.SetInParent()
    responses.append(encode_field(b"\x22", EMPTY_HEADER + txn_body(False, [])))
    assert txn_body(succeeded, responses) == expected.SerializeToString()


@given(int64s.filter(bool), st.integers(1, 9_000_000_000))
def test_lease_grant_body(id: int, ttl_s: int) -> None:
    assert lease_grant_body(id, ttl_s) == pb.LeaseGrantResponse(ID=id, TTL=ttl_s).SerializeToString()


# ---- ranges ----

KEYS = [b"a", b"b", b"bb", b"c", b"\xff"]
writes = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([b"", b"1", b"2", None])), max_size=14)
small = st.just(0) | st.just(0) | st.just(0) | st.integers(-1, 9)
range_requests = st.builds(
    pb.RangeRequest,
    key=st.sampled_from(KEYS),
    range_end=st.sampled_from([b"", b"\0", b"b", b"c", b"\xff\xff"]),
    limit=st.integers(-1, 4),
    revision=st.integers(-1, 14),
    sort_order=st.sampled_from([0, 1, 2]),
    sort_target=st.sampled_from([0, 1, 2, 3, 4]),
    keys_only=st.booleans(),
    count_only=st.booleans(),
    min_mod_revision=small,
    max_mod_revision=small,
    min_create_revision=small,
    max_create_revision=small,
)


def twin(states: list[dict[bytes, KeyValue]], compacted: int, request: pb.RangeRequest) -> pb.RangeResponse:
    """etcd.md 2.2 word by word. `states[r]`: all pairs at revision r. Raises what a range raises."""
    current = len(states) - 1
    revision = current if request.revision <= 0 else request.revision
    if revision > current:
        raise FutureRevisionError
    if revision < compacted:
        raise CompactedError
    end = request.range_end
    found = [
        kv
        for key, kv in sorted(states[revision].items())
        if (key == request.key if not end else key >= request.key and (end == b"\0" or key < end))
    ]
    response = pb.RangeResponse(count=len(found))
    if request.count_only:
        return response
    is_plain = request.sort_order == 0
    bounds = (request.min_mod_revision, request.max_mod_revision, request.min_create_revision,
              request.max_create_revision)  # fmt: skip
    if is_plain and not any(bounds) and request.limit > 0:
        found = found[: request.limit + 1]  # etcd pushes the limit into the scan, in front of a sort by default
    low_mod, high_mod, low_create, high_create = bounds
    found = [kv for kv in found if not low_mod or kv.mod_revision >= low_mod]
    found = [kv for kv in found if not high_mod or kv.mod_revision <= high_mod]
    found = [kv for kv in found if not low_create or kv.create_revision >= low_create]
    found = [kv for kv in found if not high_create or kv.create_revision <= high_create]
    field = ("key", "version", "create_revision", "mod_revision", "value")[request.sort_target]
    found.sort(key=lambda kv: (getattr(kv, field), kv.key), reverse=request.sort_order == 2)
    response.more = 0 < request.limit < len(found)
    if request.limit > 0:
        found = found[: request.limit]
    response.kvs.extend(message(kv.without_value() if request.keys_only else kv) for kv in found)
    return response


@settings(max_examples=400, deadline=None)
@given(writes, st.integers(0, 5), st.lists(range_requests, min_size=1, max_size=6))
def test_ranges_are_those_of_the_twin(history: list[Any], compact_at: int, requests: list[pb.RangeRequest]) -> None:
    store = Store()
    applier = Applier(State(store, Lessor(), Hub(store)))
    states: list[dict[bytes, KeyValue]] = [{}, {}]
    for key, value in history:
        before = store.revision
        if value is None:
            applier.apply(ops.DELETE_RANGE, pb.DeleteRangeRequest(key=key).SerializeToString())
        else:
            applier.apply(ops.PUT, pb.PutRequest(key=key, value=value).SerializeToString())
        if store.revision > before:
            state = dict(states[-1])
            found = store.get(key)
            if found is None:
                del state[key]
            else:
                state[key] = found
            states.append(state)
    if 0 < compact_at <= store.revision:
        store.compact(compact_at)
        store.compact_step()
    for request in requests:
        applied = applier.range(request)
        try:
            expected = twin(states, compact_at if store.compacted_revision > 0 else -1, request)
        except EtcdError as error:
            assert type(applied.error) is type(error)
        else:
            assert applied.error is None and applied.revision == store.revision
            assert applied.body == expected.SerializeToString()


@given(
    st.binary(max_size=300), st.binary(max_size=300), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_a_put_from_fields_is_the_message(
    key: bytes, value: bytes, lease: int, prev_kv: bool, ignore_value: bool, ignore_lease: bool
) -> None:
    fields = PutFields(key, value, lease, prev_kv, ignore_value, ignore_lease)
    assert encode_put(fields) == pb.PutRequest(**fields._asdict()).SerializeToString()
