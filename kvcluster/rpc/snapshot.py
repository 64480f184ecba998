"""Maintenance.Snapshot: the state as a bbolt file, in pieces, and the SHA-256 of all of it behind (etcd.md 2.11).

    asked ─▶ the member makes the file beside its other work ─▶ pieces, as long as the client's buffer has room ─▶ checksum ─▶ end

The pieces have no header, and say how much is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from kvcluster import pb
from kvcluster.member import Backup, Member
from kvcluster.rpc.access import Access
from kvcluster.rpc.version import SERVER_VERSION
from kvcluster.wire import HIGH_WATER_BYTES, ServiceCall

PIECE_BYTES = 32 * 1024


class SnapshotStream:
    """wire's StreamHandler."""

    def __init__(self, call: ServiceCall, member: Member, access: Access) -> None:
        self._call = call
        self._member = member
        self._access = access
        self._backup: Backup | None = None
        self._pieces: Iterator[bytes] | None = None
        self._left_bytes = 0

    def on_message(self, payload: bytes) -> None:
        self._access.check(self._call, self._access.auth.check_admin, self._begin)

    def _begin(self) -> None:
        self._backup = self._member.begin_backup(self._made)

    def _made(self) -> None:
        """The file is there."""
        backup = self._backup
        if backup is None:
            return
        self._left_bytes = backup.size_bytes
        self._pieces = _pieces(backup.chunks)
        self._send()

    def _send(self) -> None:
        while self._pieces is not None and self._call.is_active and self._call.buffered_bytes <= HIGH_WATER_BYTES:
            piece = next(self._pieces, None)
            if piece is None:
                self._pieces = self._backup = None
                self._call.finish()
                return
            self._left_bytes = max(self._left_bytes - len(piece), 0)
            response = pb.SnapshotResponse(blob=piece, remaining_bytes=self._left_bytes, version=SERVER_VERSION)
            self._call.send(response.SerializeToString())

    def on_half_close(self) -> None: ...

    def on_cancel(self) -> None:
        self._pieces = None
        if self._backup is not None:
            self._member.drop_backup(self._backup)
            self._backup = None

    def on_drain(self) -> None:
        self._send()


def _pieces(chunks: list[bytes]) -> Iterator[bytes]:
    """The file in pieces of PIECE_BYTES, and its checksum as one more."""
    digest = hashlib.sha256()
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        parts.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            data = b"".join(parts)
            end = size - size % PIECE_BYTES
            for at in range(0, end, PIECE_BYTES):
                yield data[at : at + PIECE_BYTES]
            parts, size = [data[end:]], size - end
    if size:
        yield b"".join(parts)
    yield digest.digest()
