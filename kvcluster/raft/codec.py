"""Messages as bytes, for sockets between members. Little-endian, fixed widths, a version in front.

    message   version u8, type u8, flags u8 (1 reject, 2 snapshot), to u64, sender u64, term u64, log_term u64, index u64,
              commit u64, reject_hint u64, context length u32, number of entries u32; context; entries; snapshot
    entry     type u8, term u64, index u64, data length u32; data
    snapshot  index u64, term u64, voters u32, learners u32, data length u64; ids u64 each; data

Framing (where a message ends in a stream) is the transport's. The bytes are exactly used up: anything else raises
ValueError, so that noise on a peer port never reaches the machine as a message.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from kvcluster.raft.types import ConfState, Entry, EntryType, Message, MessageType, Snapshot, chunks_of

VERSION = 1

_HEADER = Struct("<BBBQQQQQQQII")
_ENTRY = Struct("<BQQI")
_SNAPSHOT = Struct("<QQIIQ")
_REJECT = 1
_HAS_SNAPSHOT = 2

_MESSAGE_TYPES = {int(type): type for type in MessageType}
_ENTRY_TYPES = {int(type): int(type) for type in EntryType}


def encode_message(m: Message) -> bytes:
    """Raises ValueError for a field that does not fit (a negative index, 4 GiB of data)."""
    flags = (_REJECT if m.reject else 0) | (_HAS_SNAPSHOT if m.snapshot is not None else 0)
    try:
        parts = [
            _HEADER.pack(
                VERSION,
                m.type,
                flags,
                m.to,
                m.sender,
                m.term,
                m.log_term,
                m.index,
                m.commit,
                m.reject_hint,
                len(m.context),
                len(m.entries),
            ),
            m.context,
        ]
        for term, index, type, data in m.entries:
            parts.append(_ENTRY.pack(type, term, index, len(data)))
            parts.append(data)
        if m.snapshot is not None:
            parts.extend(_encode_snapshot(m.snapshot))
    except StructError as error:
        raise ValueError(f"{m.type!r} cannot be encoded: {error}") from None
    return b"".join(parts)


def _encode_snapshot(snapshot: Snapshot) -> list[bytes]:
    voters, learners = snapshot.conf_state
    ids = Struct(f"<{len(voters) + len(learners)}Q").pack(*voters, *learners)
    head = _SNAPSHOT.pack(snapshot.index, snapshot.term, len(voters), len(learners), snapshot.size_bytes)
    return [head, ids, *chunks_of(snapshot.data)]


def decode_message(data: bytes) -> Message:
    """Raises ValueError for anything that encode_message does not produce."""
    data = bytes(data)
    try:
        (version, type_number, flags, to, sender, term, log_term, index, commit, reject_hint, context_size, count) = (
            _HEADER.unpack_from(data)
        )
    except StructError:
        raise ValueError(f"a raft message has at least {_HEADER.size} bytes, not {len(data)}") from None
    type = _MESSAGE_TYPES.get(type_number)
    if version != VERSION or type is None or flags & ~(_REJECT | _HAS_SNAPSHOT):
        raise ValueError(f"not a raft message: version {version}, type {type_number}, flags {flags}")
    context, at = _take(data, _HEADER.size, context_size)
    if count * _ENTRY.size > len(data) - at:
        raise ValueError(f"{count} entries do not fit into {len(data) - at} bytes")
    entries = []
    for _ in range(count):
        entry, at = _decode_entry(data, at)
        entries.append(entry)
    snapshot = None
    if flags & _HAS_SNAPSHOT:
        snapshot, at = _decode_snapshot(data, at)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over after a raft message")
    reject = bool(flags & _REJECT)
    return Message(
        type, to, sender, term, log_term, index, entries, commit, reject, reject_hint, context, snapshot
    )  # fmt: skip


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise ValueError(f"a raft message ends {end - len(data)} bytes early")
    return data[at:end], end


def _decode_entry(data: bytes, at: int) -> tuple[Entry, int]:
    try:
        type, term, index, size = _ENTRY.unpack_from(data, at)
    except StructError:
        raise ValueError("a raft message ends within an entry") from None
    if type not in _ENTRY_TYPES:
        raise ValueError(f"entry type {type} is not known")
    payload, at = _take(data, at + _ENTRY.size, size)
    return Entry(term, index, type, payload), at


def _decode_snapshot(data: bytes, at: int) -> tuple[Snapshot, int]:
    try:
        index, term, voters, learners, size = _SNAPSHOT.unpack_from(data, at)
    except StructError:
        raise ValueError("a raft message ends within a snapshot") from None
    count = voters + learners
    ids_bytes, at = _take(data, at + _SNAPSHOT.size, 8 * count)
    ids = Struct(f"<{count}Q").unpack(ids_bytes)
    payload, at = _take(data, at, size)
    return Snapshot(index, term, ConfState(ids[:voters], ids[voters:]), payload), at
