"""The whole replicated state as bytes: store, leases, what members told of themselves and alarms. At once, or in steps.

Layout: magic, then three sections, each with its length. Every section carries its own checksum; that of the members'
(attributes, alarms, users and roles) is a CRC-32 in front of its JSON.

In steps (`StateEncoder`, `StateDecoder`): the store is large and goes on meanwhile; leases and members are small and are
taken when the steps begin, all three at the same applied index. `encode_state` and `load_state` are the simple twins.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from kvcluster.apply import Membership, State
from kvcluster.auth import AuthStore
from kvcluster.errors import CorruptSnapshotError
from kvcluster.lease import Lessor
from kvcluster.mvcc import ChunkReader, SnapshotDecoder

MAGIC = b"kvcluster member 1\n"
_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")


def encode_state(state: State) -> bytes:
    """Equal states give equal bytes, on every member."""
    return MAGIC + b"".join(map(_encode_section, (state.store.snapshot(), *_small_sections(state))))


def _small_sections(state: State) -> tuple[bytes, bytes]:
    attributes = {str(id): [name, list(urls)] for id, (name, urls) in sorted(state.attributes.items())}
    told = {
        "members": attributes,
        "alarms": list(state.alarms),
        "auth": state.auth.to_json(),
        "downgrade": state.downgrade_target,
        "membership": state.membership.to_json(),
    }
    members = json.dumps(told).encode()
    return state.lessor.snapshot(), _CHECKSUM.pack(zlib.crc32(members)) + members


def _encode_section(section: bytes) -> bytes:
    return _LENGTH.pack(len(section)) + section


class StateEncoder:
    """What encode_state would return now, in steps, while the state goes on. `close` it, finished or not."""

    __slots__ = ("_state", "_store", "_rest")

    def __init__(self, state: State) -> None:
        self._state = state
        self._store = state.store.begin_snapshot()
        self._rest = b"".join(map(_encode_section, _small_sections(state)))

    def step(self, budget: int) -> bool:
        """Writes up to `budget` (>= 1) records; -> True when there is more to do."""
        return self._store.step(budget)

    @property
    def size_bytes(self) -> int:
        """So far."""
        return self._store.size_bytes + len(self._rest)

    def chunks(self) -> list[bytes]:
        """After the last step: joined, they are the snapshot."""
        return [MAGIC + _LENGTH.pack(self._store.size_bytes), *self._store.chunks, self._rest]

    def close(self) -> None:
        """From here on the store frees again what is compacted."""
        self._state.store.end_snapshot()


class StateDecoder:
    """Reads a snapshot in steps, beside the state that it will replace. Raises CorruptSnapshotError, in any step."""

    __slots__ = ("_source", "_store", "_lessor", "_told")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._source = ChunkReader(chunks)
        self._store: SnapshotDecoder | None = None
        self._lessor = b""
        self._told: _Told | None = None

    def step(self, budget: int) -> bool:
        """Reads up to `budget` (>= 1) records; -> True when there is more to do."""
        try:
            if self._store is None:
                self._begin()
            assert self._store is not None
            if self._store.step(budget):
                return True
            self._lessor = self._take_section()
            self._told = _decode_members(self._take_section())
        except EOFError as error:
            raise CorruptSnapshotError("the snapshot is cut short") from error
        if not self._source.is_at_end():
            raise CorruptSnapshotError("the snapshot is longer than it says")
        Lessor().restore(self._lessor)  # to see that it can be read, before anything is changed
        return False

    def adopt_into(self, state: State) -> None:
        """After the last step: `state` becomes what was read, in place; watchers go on."""
        assert self._store is not None and self._told is not None
        state.store.adopt(self._store)
        state.lessor.restore(self._lessor)
        state.attributes, state.alarms = self._told.attributes, self._told.alarms
        state.auth.load_json(self._told.auth)
        state.downgrade_target = self._told.downgrade_target
        state.membership.load_json(self._told.membership)
        state.hub.replace_store(state.store)

    def _begin(self) -> None:
        self._source.begin_section(len(MAGIC))
        if self._source.is_at_end() or self._source.take(len(MAGIC)) != MAGIC:
            raise CorruptSnapshotError("these bytes are no snapshot of a member")
        self._begin_section()
        self._store = SnapshotDecoder(self._source)

    def _begin_section(self) -> None:
        self._source.begin_section(_LENGTH.size)
        (length,) = _LENGTH.unpack(self._source.take(_LENGTH.size))
        self._source.begin_section(length)

    def _take_section(self) -> bytes:
        self._begin_section()
        return self._source.take(self._source.left_bytes)


def load_state(state: State, chunks: Iterable[bytes]) -> None:
    """Makes `state` what the bytes say, in place; watchers go on. Raises CorruptSnapshotError, and changes nothing then."""
    decoder = StateDecoder(chunks)
    while decoder.step(1000):
        pass
    decoder.adopt_into(state)


class _Told(NamedTuple):
    """The members' section. auth: AuthStore.to_json."""

    attributes: dict[int, tuple[str, tuple[str, ...]]]
    alarms: dict[tuple[int, int], None]
    auth: dict[str, Any]
    downgrade_target: str
    membership: list[Any]


def _decode_members(section: bytes) -> _Told:
    body = section[_CHECKSUM.size :]
    if section[: _CHECKSUM.size] != _CHECKSUM.pack(zlib.crc32(body)):
        raise CorruptSnapshotError("the members' section of the snapshot is damaged")
    try:
        decoded = json.loads(body)
        attributes = {int(id): (name, tuple(urls)) for id, (name, urls) in decoded["members"].items()}
        alarms = {(int(kind), int(member)): None for kind, member in decoded["alarms"]}
        Membership().load_json(decoded["membership"])
        AuthStore().load_json(decoded["auth"])  # to see that it can be read, before anything is changed
        return _Told(attributes, alarms, decoded["auth"], str(decoded["downgrade"]), decoded["membership"])
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise CorruptSnapshotError(f"the members' section of the snapshot is not readable: {error}") from error
