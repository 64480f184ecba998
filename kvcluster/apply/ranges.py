"""RangeRequest → the body of a RangeResponse, on the store or inside a transaction.

Order of the work (etcd.md 2.2): keys at the revision → revision filters → sort → limit → values dropped. `count` is
what the range holds, whatever filters and limit leave of it. Without filters and without a sort order the limit is
pushed down into the scan, as in etcd: a sort target alone then sorts only the limit + 1 first keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from kvcluster import pb
from kvcluster.mvcc import KeyValue, RangeResult, encode_range_body

NONE, ASCEND, DESCEND = 0, 1, 2
BY_KEY = 0

_SORT_KEYS: dict[int, Callable[[KeyValue], Any]] = {
    0: lambda kv: kv.key,
    1: lambda kv: (kv.version, kv.key),
    2: lambda kv: (kv.create_revision, kv.key),
    3: lambda kv: (kv.mod_revision, kv.key),
    4: lambda kv: (kv.value, kv.key),
}


class Source(Protocol):
    """What can be ranged over: a Store, or a Txn of it."""

    def range(
        self, key: bytes, range_end: bytes = b"", *, revision: int = 0, limit: int = 0, count_only: bool = False
    ) -> RangeResult: ...


def _has_filters(request: pb.RangeRequest) -> bool:
    return bool(
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    )


def _passes(kv: KeyValue, request: pb.RangeRequest) -> bool:
    return not (
        (request.max_mod_revision and kv.mod_revision > request.max_mod_revision)
        or (request.min_mod_revision and kv.mod_revision < request.min_mod_revision)
        or (request.max_create_revision and kv.create_revision > request.max_create_revision)
        or (request.min_create_revision and kv.create_revision < request.min_create_revision)
    )


def range_body(source: Source, request: pb.RangeRequest) -> bytes:
    """The response without its header. Raises CompactedError, FutureRevisionError."""
    if request.count_only:
        counted = source.range(request.key, request.range_end, revision=request.revision, count_only=True)
        return encode_range_body([], more=False, count=counted.count)
    is_sorted = request.sort_target != BY_KEY or request.sort_order == DESCEND
    is_filtered = _has_filters(request)
    limit = max(request.limit, 0)
    is_pushed = limit and request.sort_order == NONE and not is_filtered
    pushed_limit = limit + is_sorted if is_pushed else 0
    found = source.range(request.key, request.range_end, revision=request.revision, limit=pushed_limit)
    kvs, more = found.kvs, found.more
    if is_filtered:
        kvs = [kv for kv in kvs if _passes(kv, request)]
    if is_sorted:
        kvs = sorted(kvs, key=_SORT_KEYS[request.sort_target], reverse=request.sort_order == DESCEND)
    if limit and len(kvs) > limit:
        kvs, more = kvs[:limit], True
    if request.keys_only:
        kvs = [kv.without_value() for kv in kvs]
    return encode_range_body([kv.wire for kv in kvs], more=more, count=found.count)
