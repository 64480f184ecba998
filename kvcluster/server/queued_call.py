"""A call whose answers wait in a queue for a coroutine that writes them: what grpc.aio's transport and the JSON gateway hand to
services (wire.ServiceCall)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kvcluster.wire import HIGH_WATER_BYTES, LOW_WATER_BYTES, Metadata, StreamHandler, codes


class QueuedCall:
    """`answers` ends with None; `status` is then how the call ended."""

    def __init__(self, metadata: Metadata, peer: str, common_name: str = "") -> None:
        self.metadata = metadata
        self.peer = peer
        self.common_name = common_name
        self.is_active = True
        self.buffered_bytes = 0
        self.status: tuple[int, str] = (codes.OK, "")
        self.answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_slow = False
        self._tell_cancelled: Callable[[], object] | None = None

    def when_cancelled(self, tell: Callable[[], object]) -> None:
        self._tell_cancelled = tell

    def reply(self, *chunks: bytes) -> None:
        self.send(*chunks)
        self.finish()

    def fail(self, code: int, text: str) -> None:
        self.finish(code, text)

    def send(self, *chunks: bytes) -> None:
        if self.is_active:
            message = b"".join(chunks)
            self.buffered_bytes += len(message)
            self._is_slow = self._is_slow or self.buffered_bytes > HIGH_WATER_BYTES
            self.answers.put_nowait(message)

    def finish(self, code: int = codes.OK, text: str = "") -> None:
        if self.is_active:
            self.is_active = False
            self.status = (code, text)
            self.answers.put_nowait(None)

    # ---- for whoever writes the answers ----

    def has_drained(self, size: int) -> bool:
        """`size` bytes were written: whether the handler is to be told that there is room again."""
        self.buffered_bytes -= size
        if not self._is_slow or self.buffered_bytes >= LOW_WATER_BYTES:
            return False
        self._is_slow = False
        return True

    def abandon(self, handler: StreamHandler | None = None) -> bool:
        """The client is gone: tells the service, unless it had ended the call already. True: it was told."""
        if not self.is_active:
            return False
        self.is_active = False
        if handler is not None:
            handler.on_cancel()
        elif self._tell_cancelled is not None:
            self._tell_cancelled()
        return True
