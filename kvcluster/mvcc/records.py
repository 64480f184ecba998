"""KeyValue and Event: what the store keeps, and the bytes each carries.

A `KeyValue` is one version of a key; a tombstone is a KeyValue whose version is 0. An `Event` is one change: the new
version, and the version before it. Both are written once by the store and never changed afterwards. KeyValues are
kept; events are made when something changes, kept for a while (history.py), and made again for those who come late.

Bytes are lazy: `wire` and its like are made on the first call and kept, so a put that nobody watches or reads encodes
nothing, and a put that a thousand watchers see encodes once. Kept bytes are a cache and weigh as much as the values,
so they are bounded, and made again, equal, when somebody asks:

    made for a watcher, small     the event and its records keep them for as long as the history keeps the event
    made for a watcher, large     the same, but they count towards KEPT_BYTES
    made for a reader             count towards KEPT_BYTES: beyond it those that were made first are let go of
    made for a late watcher       only the event keeps them, which goes when it is delivered

KEPT_BYTES is one bound for the process and not one a store, because a record knows no store, and a pointer to it would
cost more than the cache saves.

Slotted classes and not tuples, because of the lazy slot; not frozen dataclasses, because those cost four times as
much to make.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from kvcluster.mvcc.encoding import encode_key_value, encode_range_body, splice_event

# mvccpb.Event.EventType
PUT = 0
DELETE = 1

KEPT_BYTES = 16 << 20
"""Encoded bytes that are kept, of all records of the process together."""

SMALL_BYTES = 4096
"""Of an event; twice a block of events (history.py) keep this much at most without being counted."""


class KeyValue:
    """One version of a key. `version` 0 marks a tombstone, which carries only its key and mod_revision."""

    __slots__ = ("key", "value", "create_revision", "mod_revision", "version", "lease", "_wire")

    def __init__(
        self, key: bytes, value: bytes, create_revision: int, mod_revision: int, version: int, lease: int = 0
    ) -> None:
        self.key = key
        self.value = value
        self.create_revision = create_revision
        self.mod_revision = mod_revision
        self.version = version
        self.lease = lease
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The encoded mvccpb.KeyValue, made once."""
        wire = self._wire
        if wire is None:
            wire = self._wire = encode_key_value(
                self.key, self.value, self.create_revision, self.mod_revision, self.version, self.lease
            )
            _keep(self, len(wire))
        return wire

    def forget_wires(self) -> None:
        self._wire = None

    def without_value(self) -> KeyValue:
        """A copy for keys_only answers: all fields but the value (etcd before 3.7 keeps the lease)."""
        return KeyValue(self.key, b"", self.create_revision, self.mod_revision, self.version, self.lease)

    def _fields(self) -> tuple[bytes, bytes, int, int, int, int]:
        return (self.key, self.value, self.create_revision, self.mod_revision, self.version, self.lease)

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, KeyValue) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.key, self.mod_revision))

    def __repr__(self) -> str:
        return (
            f"KeyValue({self.key!r}, {self.value!r}, create={self.create_revision}, mod={self.mod_revision}, "
            f"version={self.version}, lease={self.lease})"
        )


class Event:
    """One change of one key. `type` is PUT or DELETE; `prev` is None for the first put of a generation.

    is_past: made again, for a watcher that comes late; it leaves no bytes behind in the records.
    """

    __slots__ = ("type", "kv", "prev", "is_past", "_wire", "_wire_with_prev")

    def __init__(self, type: int, kv: KeyValue, prev: KeyValue | None, is_past: bool = False) -> None:
        self.type = type
        self.kv = kv
        self.prev = prev
        self.is_past = is_past
        self._wire: bytes | None = None
        self._wire_with_prev: bytes | None = None

    def wire(self) -> bytes:
        """The event as an element of WatchResponse.events (tag 11 + length + mvccpb.Event), without prev_kv."""
        wire = self._wire
        if wire is None:
            kv = self.kv
            wire = self._wire = splice_event(self.type == DELETE, kv._wire or _wire_for(self, kv))
            if len(wire) > SMALL_BYTES:
                _keep(self, len(wire))
        return wire

    def wire_with_prev(self) -> bytes:
        """The same with prev_kv, where there is one."""
        prev = self.prev
        if prev is None:
            return self.wire()
        wire = self._wire_with_prev
        if wire is None:
            kv = self.kv
            kv_wire = kv._wire or _wire_for(self, kv)
            wire = splice_event(self.type == DELETE, kv_wire, prev._wire or _wire_for(self, prev))
            self._wire_with_prev = wire
            if len(wire) > SMALL_BYTES:
                _keep(self, len(wire))
        return wire

    def retire(self) -> None:
        """The history lets go of it: its records keep no bytes for it any more."""
        self.is_past = True
        self.kv._wire = None
        if self.prev is not None:
            self.prev._wire = None

    def forget_wires(self) -> None:
        self._wire = self._wire_with_prev = None

    def __repr__(self) -> str:
        return f"Event({'DELETE' if self.type else 'PUT'}, {self.kv!r}, prev={self.prev!r})"


class RangeResult(NamedTuple):
    """kvs in key order, cut to the limit; count ignores the limit; revision is the store's, not the one asked for."""

    kvs: list[KeyValue]
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants here
    revision: int
    more: bool

    def body(self) -> bytes:
        """The RangeResponse without its header: header bytes + body is the response."""
        return encode_range_body([kv.wire for kv in self.kvs], more=self.more, count=self.count)


_kept: deque[tuple[KeyValue | Event, int]] = deque()
_kept_bytes = 0


def _wire_for(event: Event, kv: KeyValue) -> bytes:
    """The bytes of a record that has none, for an event of it."""
    wire = encode_key_value(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    if not event.is_past:
        kv._wire = wire
        if len(wire) > SMALL_BYTES:
            _keep(kv, len(wire))
    return wire


def _keep(owner: KeyValue | Event, size_bytes: int) -> None:
    """Notes bytes that were made and kept; lets go of the oldest where that is too much, but never of the last."""
    global _kept_bytes
    _kept.append((owner, size_bytes))
    _kept_bytes += size_bytes
    while _kept_bytes > KEPT_BYTES and len(_kept) > 1:
        oldest, size_bytes = _kept.popleft()
        _kept_bytes -= size_bytes
        oldest.forget_wires()
