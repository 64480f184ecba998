"""The whole replicated state as bytes: store, leases, what members told of themselves.

Layout: magic, then three sections, each with its length. Every section carries its own checksum; that of the members'
(attributes) is a CRC-32 in front of its JSON.
"""

from __future__ import annotations

import json
import struct
import zlib

from kvcluster.apply import State
from kvcluster.errors import CorruptSnapshotError
from kvcluster.lease import Lessor

MAGIC = b"kvcluster member 1\n"
_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")


def encode_state(state: State) -> bytes:
    """Equal states give equal bytes, on every member."""
    attributes = {str(id): [name, list(urls)] for id, (name, urls) in sorted(state.attributes.items())}
    members = json.dumps(attributes).encode()
    members = _CHECKSUM.pack(zlib.crc32(members)) + members
    sections = (state.store.snapshot(), state.lessor.snapshot(), members)
    return MAGIC + b"".join(_LENGTH.pack(len(section)) + section for section in sections)


def load_state(state: State, data: bytes) -> None:
    """Makes `state` what the bytes say, in place; watchers go on. Raises CorruptSnapshotError, and changes nothing then."""
    store, lessor, members = _split(data)
    attributes = _decode_attributes(members)
    Lessor().restore(lessor)  # to see that it can be read, before the store is changed
    state.store.load(store)
    state.lessor.restore(lessor)
    state.attributes = attributes
    state.hub.replace_store(state.store)


def _decode_attributes(section: bytes) -> dict[int, tuple[str, tuple[str, ...]]]:
    body = section[_CHECKSUM.size :]
    if section[: _CHECKSUM.size] != _CHECKSUM.pack(zlib.crc32(body)):
        raise CorruptSnapshotError("the members' section of the snapshot is damaged")
    try:
        return {int(id): (name, tuple(urls)) for id, (name, urls) in json.loads(body).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise CorruptSnapshotError(f"the members' section of the snapshot is not readable: {error}") from error


def _split(data: bytes) -> list[bytes]:
    if not data.startswith(MAGIC):
        raise CorruptSnapshotError("these bytes are no snapshot of a member")
    at = len(MAGIC)
    sections = []
    for _ in range(3):
        if at + _LENGTH.size > len(data):
            raise CorruptSnapshotError("the snapshot is cut short")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            raise CorruptSnapshotError("the snapshot is cut short")
        sections.append(data[at : at + length])
        at += length
    if at != len(data):
        raise CorruptSnapshotError("the snapshot is longer than it says")
    return sections
