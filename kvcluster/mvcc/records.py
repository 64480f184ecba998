"""KeyValue and Event: what the store keeps, and the bytes each carries.

A `KeyValue` is one version of a key; a tombstone is a KeyValue whose version is 0. An `Event` is one change: the new
version, and the version before it. Both are written once by the store and never changed afterwards, except that the
store takes `prev` from the events of a revision when that revision becomes the compacted one (the version before it
is then no longer visible: etcd.md 2.7).

Bytes are lazy: `wire` and its like are made on the first call and kept, so a put that nobody watches or reads encodes
nothing, and a put that a thousand watchers see encodes once. The history lets go of kept bytes of old events
(`forget_wires`), which therefore may be made a second time for a watcher that comes late.

Slotted classes and not tuples, because of the lazy slot; not frozen dataclasses, because those cost four times as
much to make.
"""

from __future__ import annotations

from typing import NamedTuple

from kvcluster.mvcc.encoding import encode_key_value, encode_range_body, splice_event

# mvccpb.Event.EventType
PUT = 0
DELETE = 1


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
        return wire

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
    """One change of one key. `type` is PUT or DELETE; `prev` is None for the first put of a generation."""

    __slots__ = ("type", "kv", "prev", "_wire", "_wire_with_prev")

    def __init__(self, type: int, kv: KeyValue, prev: KeyValue | None) -> None:
        self.type = type
        self.kv = kv
        self.prev = prev
        self._wire: bytes | None = None
        self._wire_with_prev: bytes | None = None

    def wire(self) -> bytes:
        """The event as an element of WatchResponse.events (tag 11 + length + mvccpb.Event), without prev_kv."""
        wire = self._wire
        if wire is None:
            wire = self._wire = splice_event(self.type == DELETE, self.kv.wire)
        return wire

    def wire_with_prev(self) -> bytes:
        """The same with prev_kv, where there is one."""
        if self.prev is None:
            return self.wire()
        wire = self._wire_with_prev
        if wire is None:
            wire = self._wire_with_prev = splice_event(self.type == DELETE, self.kv.wire, self.prev.wire)
        return wire

    def forget_prev(self) -> None:
        """The version before has been compacted."""
        self.prev = self._wire_with_prev = None

    def forget_wires(self) -> None:
        """Frees the kept bytes of the event and of the superseded version; that of `kv` stays, reads may share it."""
        self._wire = self._wire_with_prev = None
        if self.prev is not None:
            self.prev._wire = None

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
