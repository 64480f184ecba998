"""Put, delete range and compact, applied.

Every change of the store is published to the watch hub in the same call, and leases follow their keys: a put moves its key
to the lease it names (0: to none), a delete frees it. A refusal changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kvcluster import pb
from kvcluster.apply.applied import Applied
from kvcluster.apply.state import State
from kvcluster.apply.wire import delete_body, put_body
from kvcluster.errors import KeyNotFoundError
from kvcluster.mvcc import DELETE, Event, encode_varint


class PutFields(NamedTuple):
    """What applying reads of a PutRequest, for those who have the fields and no message."""

    key: bytes
    value: bytes
    lease: int = 0
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False


@lru_cache(maxsize=1024)
def _key_head(size: int) -> bytes:
    return b"\x0a" + encode_varint(size)


@lru_cache(maxsize=1024)
def _value_head(size: int) -> bytes:
    return b"\x12" + encode_varint(size)


def encode_put(fields: PutFields) -> bytes:
    """The PutRequest (1 key, 2 value, 3 lease, 4 prev_kv, 5 ignore_value, 6 ignore_lease) as protobuf encodes it."""
    key, value, lease, prev_kv, ignore_value, ignore_lease = fields
    if key and value and not (lease or prev_kv or ignore_value or ignore_lease):  # nearly every one
        return b"".join((_key_head(len(key)), key, _value_head(len(value)), value))
    parts = [_key_head(len(key)), key] if key else []
    if value:
        parts += (_value_head(len(value)), value)
    if lease:
        parts += (b"\x18", encode_varint(lease))
    if prev_kv:
        parts.append(b"\x20\x01")
    if ignore_value:
        parts.append(b"\x28\x01")
    if ignore_lease:
        parts.append(b"\x30\x01")
    return b"".join(parts)


def follow_leases(state: State, events: Sequence[Event]) -> None:
    """Attaches and detaches the keys of a revision, in order."""
    lessor = state.lessor
    for event in events:
        kv = event.kv
        if event.type == DELETE:
            lessor.detach(kv.key)
        elif kv.lease:
            lessor.attach(kv.key, kv.lease)
        elif event.prev is not None and event.prev.lease:
            lessor.detach(kv.key)


def apply_put(state: State, request: pb.PutRequest | PutFields) -> Applied:
    """etcd.md 2.3. Raises LeaseNotFoundError for an unknown lease, KeyNotFoundError for ignore_* on a missing key."""
    key, value, lease = request.key, request.value, request.lease
    store = state.store
    if lease:
        state.lessor.get(lease)
    if request.ignore_value or request.ignore_lease:
        current = store.get(key)
        if current is None:
            raise KeyNotFoundError
        value = current.value if request.ignore_value else value
        lease = current.lease if request.ignore_lease else lease
    event = store.put(key, value, lease)
    prev = event.prev
    if lease or (prev is not None and prev.lease):
        follow_leases(state, (event,))
    revision = store.revision
    state.hub.publish(revision, (event,))
    return Applied(revision, put_body(prev) if request.prev_kv else b"")


def apply_delete_range(state: State, request: pb.DeleteRangeRequest) -> Applied:
    txn = state.store.begin()
    prevs = txn.delete_range(request.key, request.range_end)
    publish(state, txn.commit())
    return Applied(state.store.revision, delete_body(len(prevs), prevs if request.prev_kv else ()))


def apply_compact(state: State, request: pb.CompactionRequest) -> Applied:
    """Raises CompactedError, FutureRevisionError. What is compacted is freed later, in steps (Store.compact_step)."""
    state.store.compact(request.revision)
    return Applied(state.store.revision)


def publish(state: State, events: Sequence[Event]) -> None:
    """One committed revision: leases follow, watchers hear. Nothing for a transaction that changed nothing."""
    if events:
        follow_leases(state, events)
        state.hub.publish(state.store.revision, events)
