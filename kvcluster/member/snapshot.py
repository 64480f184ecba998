"""The whole replicated state as bytes: store, leases, what members told of themselves.

Layout: magic, then three sections, each with its length. The store's and the lessor's sections carry their own checksums.
"""

from __future__ import annotations

import json
import struct

from kvcluster.apply import State
from kvcluster.errors import CorruptSnapshotError

MAGIC = b"kvcluster member 1\n"
_LENGTH = struct.Struct("<Q")


def encode_state(state: State) -> bytes:
    """Equal states give equal bytes, on every member."""
    attributes = {str(id): [name, list(urls)] for id, (name, urls) in sorted(state.attributes.items())}
    sections = (state.store.snapshot(), state.lessor.snapshot(), json.dumps(attributes).encode())
    return MAGIC + b"".join(_LENGTH.pack(len(section)) + section for section in sections)


def load_state(state: State, data: bytes) -> None:
    """Makes `state` what the bytes say, in place; watchers go on. Raises CorruptSnapshotError."""
    store, lessor, attributes = _split(data)
    try:
        decoded = json.loads(attributes)
        told = {int(id): (str(name), tuple(urls)) for id, (name, urls) in decoded.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise CorruptSnapshotError(f"the members' section of the snapshot is not readable: {error}") from error
    state.store.load(store)
    state.lessor.restore(lessor)
    state.attributes = told
    state.hub.replace_store(state.store)


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
