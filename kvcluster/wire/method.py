"""What a service is to a transport: a table of methods. Both of our transports, native and grpc.aio, serve the same table.

    Methods = {b"/etcdserverpb.KV/Put": Method(UNARY, put), …}

    unary      handler(call, payload) -> None; later, or at once, exactly one of
               call.reply(*chunks)           the chunks concatenate to the response message
               call.fail(code, text)
    streaming  handler(call) -> StreamHandler; then call.send(*chunks) per message and call.finish(code, text) at the end

All of it is synchronous, and nothing in a handler waits. A call that the peer cancelled, or whose deadline has passed, has
`is_active` False; replying to it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from kvcluster.wire.metadata import Metadata

UNARY = 0
SERVER_STREAM = 1
BIDI = 2

HIGH_WATER_BYTES = 256 * 1024
"""A stream with more than this in its buffer is slow: its handler should stop sending until `on_drain`."""
LOW_WATER_BYTES = 64 * 1024


class StreamHandler(Protocol):
    """The service's side of a streaming call. A SERVER_STREAM gets one message, then on_half_close."""

    def on_message(self, payload: bytes) -> None: ...

    def on_half_close(self) -> None:
        """The client will send no more; answers may go on."""
        ...

    def on_cancel(self) -> None:
        """The call is over without the service's doing: cancelled, too late, or its connection lost. At most once."""
        ...

    def on_drain(self) -> None:
        """The buffer fell below LOW_WATER_BYTES after it had been above HIGH_WATER_BYTES."""
        ...


class ServiceCall(Protocol):
    """What a transport hands to a handler."""

    @property
    def metadata(self) -> Metadata: ...

    @property
    def peer(self) -> str: ...

    @property
    def common_name(self) -> str:
        """Of the client's certificate, where the transport checked one; else empty."""
        ...

    @property
    def is_active(self) -> bool: ...

    @property
    def buffered_bytes(self) -> int:
        """What was sent and has not yet been handed to the socket."""
        ...

    def when_cancelled(self, tell: Callable[[], object]) -> None:
        """Of a unary call that takes long: tell() if it is over without the service's doing. A stream's handler is told
        anyway."""
        ...

    def reply(self, *chunks: bytes) -> None: ...

    def fail(self, code: int, text: str) -> None: ...

    def send(self, *chunks: bytes) -> None: ...

    def finish(self, code: int = 0, text: str = "") -> None: ...


class Method(NamedTuple):
    """kind: UNARY, SERVER_STREAM or BIDI."""

    kind: int
    handler: Callable[..., Any]


Methods = Mapping[bytes, Method]
