"""Put, delete range, compact and leases, applied: etcd.md 2.1, 2.3, 2.6, 2.8."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.apply import ops
from kvcluster.errors import (
    CompactedError,
    FutureRevisionError,
    KeyNotFoundError,
    LeaseExistsError,
    LeaseNotFoundError,
    LeaseTtlTooLargeError,
)


def put(bench: Any, key: bytes, value: bytes = b"v", **fields: Any) -> Any:
    return bench.apply(ops.PUT, pb.PutRequest(key=key, value=value, **fields))


def grant(bench: Any, id: int, ttl_s: int = 10) -> Any:
    return bench.apply(ops.LEASE_GRANT, pb.LeaseGrantRequest(ID=id, TTL=ttl_s))


def delete(bench: Any, key: bytes, range_end: bytes = b"", **fields: Any) -> Any:
    return bench.apply(ops.DELETE_RANGE, pb.DeleteRangeRequest(key=key, range_end=range_end, **fields))


def test_first_put_is_revision_two_and_published_once(bench: Any) -> None:
    applied = put(bench, b"a")
    assert (applied.revision, applied.body, applied.error) == (2, b"", None)
    assert bench.events() == [(2, "put", b"a")]


def test_prev_kv_is_the_pair_before_and_absent_for_a_new_key(bench: Any) -> None:
    assert put(bench, b"a", b"1", prev_kv=True).body == b""
    response = pb.PutResponse.FromString(put(bench, b"a", b"2", prev_kv=True).body)
    assert response.prev_kv == pb.KeyValue(key=b"a", value=b"1", create_revision=2, mod_revision=2, version=1)


def test_ignore_value_and_ignore_lease_keep_what_is_there(bench: Any) -> None:
    grant(bench, 7)
    put(bench, b"a", b"1", lease=7)
    put(bench, b"a", b"2", ignore_lease=True)
    assert (bench.store.get(b"a").value, bench.store.get(b"a").lease) == (b"2", 7)
    put(bench, b"a", b"", ignore_value=True)
    assert (bench.store.get(b"a").value, bench.store.get(b"a").lease) == (b"2", 0)
    assert bench.lessor.lease_of(b"a") == 0


@pytest.mark.parametrize("field", ["ignore_value", "ignore_lease"])
def test_ignoring_needs_a_key(bench: Any, field: str) -> None:
    applied = put(bench, b"a", b"", **{field: True})
    assert isinstance(applied.error, KeyNotFoundError)
    assert bench.store.revision == 1 and not bench.deliveries


def test_unknown_lease_is_found_before_a_missing_key(bench: Any) -> None:
    """etcd looks for the lease first: applierV3backend.Put."""
    assert isinstance(put(bench, b"a", b"", ignore_value=True, lease=9).error, LeaseNotFoundError)
    assert isinstance(put(bench, b"a", b"", lease=9).error, LeaseNotFoundError)
    assert bench.store.revision == 1


def test_a_key_moves_between_leases_and_is_freed(bench: Any) -> None:
    grant(bench, 1)
    grant(bench, 2)
    put(bench, b"a", lease=1)
    put(bench, b"a", lease=2)
    assert (bench.lessor.get(1).keys, bench.lessor.get(2).keys) == ([], [b"a"])
    delete(bench, b"a")
    assert bench.lessor.get(2).keys == []
    put(bench, b"a")
    assert bench.lessor.lease_of(b"a") == 0


def test_revoke_deletes_the_keys_sorted_in_one_revision(bench: Any) -> None:
    grant(bench, 1)
    for key in (b"c", b"a", b"b"):
        put(bench, key, lease=1)
    applied = bench.apply(ops.LEASE_REVOKE, pb.LeaseRevokeRequest(ID=1))
    assert applied.revision == 5
    assert bench.events()[-3:] == [(5, "delete", b"a"), (5, "delete", b"b"), (5, "delete", b"c")]
    assert isinstance(bench.apply(ops.LEASE_REVOKE, pb.LeaseRevokeRequest(ID=1)).error, LeaseNotFoundError)


def test_revoking_a_lease_without_keys_makes_no_revision(bench: Any) -> None:
    grant(bench, 1)
    assert bench.apply(ops.LEASE_REVOKE, pb.LeaseRevokeRequest(ID=1)).revision == 1
    assert not bench.deliveries


def test_grant_answers_id_and_raised_ttl(bench: Any) -> None:
    body = grant(bench, -5, -1).body
    assert body == pb.LeaseGrantResponse(ID=-5, TTL=2).SerializeToString()
    assert isinstance(grant(bench, -5).error, LeaseExistsError)
    assert isinstance(grant(bench, 6, 9_000_000_001).error, LeaseTtlTooLargeError)


def test_delete_range_counts_and_shows_what_was_there(bench: Any) -> None:
    for key in (b"a", b"b", b"c"):
        put(bench, key)
    response = pb.DeleteRangeResponse.FromString(delete(bench, b"a", b"c", prev_kv=True).body)
    assert (response.deleted, [kv.key for kv in response.prev_kvs]) == (2, [b"a", b"b"])
    applied = delete(bench, b"a", b"c", prev_kv=True)
    assert (applied.revision, applied.body) == (5, b"")
    assert len(bench.deliveries) == 4


def test_compact_refuses_the_future_and_the_past(bench: Any) -> None:
    put(bench, b"a")
    assert isinstance(bench.apply(ops.COMPACT, pb.CompactionRequest(revision=3)).error, FutureRevisionError)
    assert bench.apply(ops.COMPACT, pb.CompactionRequest(revision=2)).error is None
    assert isinstance(bench.apply(ops.COMPACT, pb.CompactionRequest(revision=2)).error, CompactedError)


def test_a_request_that_is_parsed_already_is_not_parsed_again(bench: Any) -> None:
    applied = bench.applier.apply(ops.PUT, b"", pb.PutRequest(key=b"a"))
    assert applied.revision == 2


def test_attributes_are_remembered_per_member(bench: Any) -> None:
    bench.apply(ops.MEMBER_ATTRIBUTES, pb.Member(ID=1 << 63, name="m", clientURLs=["http://a", "http://b"]))
    assert bench.applier.state.attributes == {1 << 63: ("m", ("http://a", "http://b"))}


def test_a_put_costs_three_calls_beside_the_store_and_the_hub(bench: Any) -> None:
    """Counted, not timed. `request` is parsed already, as on the member that proposed it."""
    request = pb.PutRequest(key=b"a", value=b"v")
    names: list[str] = []

    def profile(frame: FrameType, kind: str, argument: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if (
            kind == "call"
            and module.startswith("kvcluster.")
            and not module.startswith(("kvcluster.mvcc", "kvcluster.watch"))
        ):
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        bench.applier.apply(ops.PUT, b"", request)
    finally:
        sys.setprofile(None)
    assert names == ["apply", "apply_put", "__init__"]
