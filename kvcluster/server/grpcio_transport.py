"""The same method table through grpc.aio: an independent reference for the native transport, not a fast one.

Tests run the same calls on both; a difference is a bug in one of them. No HTTP/1.1 on this port.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from kvcluster.server.driver import Driver
from kvcluster.wire import (
    BIDI,
    HIGH_WATER_BYTES,
    LOW_WATER_BYTES,
    UNARY,
    Metadata,
    Method,
    Methods,
    StreamHandler,
    codes,
)

_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    # etcd lets clients ping every 5 s; grpcio's own default would end idle watches.
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
]
_END = object()


class GrpcioCall:
    """wire.ServiceCall on top of a grpc.aio context; answers go through a queue to the coroutine that writes them."""

    def __init__(self, context: Any) -> None:
        self.metadata: Metadata = dict(context.invocation_metadata() or ())
        self.peer: str = context.peer()
        names = (context.auth_context() or {}).get("x509_common_name", ())
        self.common_name: str = names[0].decode() if names else ""
        self.is_active = True
        self.buffered_bytes = 0
        self._is_slow = False
        self.status: tuple[int, str] = (codes.OK, "")
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.tell_cancelled: Callable[[], object] = lambda: None

    def when_cancelled(self, tell: Callable[[], object]) -> None:
        self.tell_cancelled = tell

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

    def has_drained(self, size: int) -> bool:
        """`size` bytes were written: whether the handler is to be told that there is room again."""
        self.buffered_bytes -= size
        if not self._is_slow or self.buffered_bytes >= LOW_WATER_BYTES:
            return False
        self._is_slow = False
        return True

    def finish(self, code: int = codes.OK, text: str = "") -> None:
        if self.is_active:
            self.is_active = False
            self.status = (code, text)
            self.answers.put_nowait(_END)


class GrpcioTransport:
    """Serves `methods` on a port with grpc.aio. max_message_bytes: of a request."""

    def __init__(self, driver: Driver, methods: Methods, *, max_message_bytes: int) -> None:
        self._driver = driver
        self._methods = methods
        self._options = [*_OPTIONS, ("grpc.max_receive_message_length", max_message_bytes)]
        self._server: Any = None

    async def start(self, host: str, port: int) -> str:
        """Listens; answers the URL. RuntimeError where the port is taken."""
        self._server = grpc.aio.server(options=self._options)
        self._server.add_generic_rpc_handlers((_Table(self),))
        bound = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return f"http://{host}:{bound}"

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0.5)

    def handler(self, path: str) -> Any:
        method = self._methods.get(path.encode())
        if method is None:
            return None
        if method.kind == UNARY:
            return grpc.unary_unary_rpc_method_handler(self._unary(method))
        if method.kind == BIDI:
            return grpc.stream_stream_rpc_method_handler(self._stream(method))
        return grpc.unary_stream_rpc_method_handler(self._server_stream(method))

    def _unary(self, method: Method) -> Any:
        async def behave(payload: bytes, context: Any) -> bytes:
            call = GrpcioCall(context)
            method.handler(call, payload)
            self._driver.wake()
            try:
                answer = await call.answers.get()
            finally:
                if call.is_active and not call.answers.qsize():
                    call.is_active = False
                    call.tell_cancelled()
                    self._driver.wake()
            if answer is _END:
                await context.abort(_STATUS[call.status[0]], call.status[1])
            assert isinstance(answer, bytes)
            return answer

        return behave

    def _stream(self, method: Method) -> Any:
        async def behave(requests: AsyncIterator[bytes], context: Any) -> None:
            call = GrpcioCall(context)
            handler: StreamHandler = method.handler(call)
            reading = asyncio.ensure_future(self._read(requests, handler, call))
            try:
                await self._write(call, handler, context)
            finally:
                reading.cancel()

        return behave

    def _server_stream(self, method: Method) -> Any:
        async def behave(payload: bytes, context: Any) -> None:
            call = GrpcioCall(context)
            handler: StreamHandler = method.handler(call)
            if call.is_active:
                handler.on_message(payload)
                handler.on_half_close()
            self._driver.wake()
            await self._write(call, handler, context)

        return behave

    async def _read(self, requests: AsyncIterator[bytes], handler: StreamHandler, call: GrpcioCall) -> None:
        async for payload in requests:
            if not call.is_active:
                return
            handler.on_message(payload)
            self._driver.wake()
        if call.is_active:
            handler.on_half_close()
            self._driver.wake()

    async def _write(self, call: GrpcioCall, handler: StreamHandler, context: Any) -> None:
        """Carries answers out until the service ends the call, or somebody else does."""
        try:
            while (answer := await call.answers.get()) is not _END:
                await context.write(answer)
                if call.has_drained(len(answer)) and call.is_active:
                    handler.on_drain()
                    self._driver.wake()
        finally:
            if call.is_active:
                call.is_active = False
                handler.on_cancel()
                self._driver.wake()
        if call.status[0] != codes.OK:
            await context.abort(_STATUS[call.status[0]], call.status[1])


class _Table(grpc.GenericRpcHandler):
    def __init__(self, transport: GrpcioTransport) -> None:
        self._transport = transport

    def service(self, details: Any) -> Any:
        return self._transport.handler(details.method)
