"""The same method table through grpc.aio: an independent reference for the native transport, not a fast one.

Tests run the same calls on both; a difference is a bug in one of them. No HTTP/1.1 on this port.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from kvcluster.server.driver import Driver
from kvcluster.server.queued_call import QueuedCall
from kvcluster.wire import BIDI, UNARY, Method, Methods, StreamHandler, codes

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


def _call_of(context: Any) -> QueuedCall:
    names = (context.auth_context() or {}).get("x509_common_name", ())
    common_name = names[0].decode() if names else ""
    return QueuedCall(dict(context.invocation_metadata() or ()), context.peer(), common_name)


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
            call = _call_of(context)
            method.handler(call, payload)
            self._driver.wake()
            try:
                answer = await call.answers.get()
            finally:
                if call.abandon():
                    self._driver.wake()
            if answer is None:
                await context.abort(_STATUS[call.status[0]], call.status[1])
            assert answer is not None, "abort raises"
            return answer

        return behave

    def _stream(self, method: Method) -> Any:
        async def behave(requests: AsyncIterator[bytes], context: Any) -> None:
            call = _call_of(context)
            handler: StreamHandler = method.handler(call)
            reading = asyncio.ensure_future(self._read(requests, handler, call))
            try:
                await self._write(call, handler, context)
            finally:
                reading.cancel()

        return behave

    def _server_stream(self, method: Method) -> Any:
        async def behave(payload: bytes, context: Any) -> None:
            call = _call_of(context)
            handler: StreamHandler = method.handler(call)
            if call.is_active:
                handler.on_message(payload)
                handler.on_half_close()
            self._driver.wake()
            await self._write(call, handler, context)

        return behave

    async def _read(self, requests: AsyncIterator[bytes], handler: StreamHandler, call: QueuedCall) -> None:
        async for payload in requests:
            if not call.is_active:
                return
            handler.on_message(payload)
            self._driver.wake()
        if call.is_active:
            handler.on_half_close()
            self._driver.wake()

    async def _write(self, call: QueuedCall, handler: StreamHandler, context: Any) -> None:
        """Carries answers out until the service ends the call, or somebody else does."""
        try:
            while (answer := await call.answers.get()) is not None:
                await context.write(answer)
                if call.has_drained(len(answer)) and call.is_active:
                    handler.on_drain()
                    self._driver.wake()
        finally:
            if call.abandon(handler):
                self._driver.wake()
        if call.status[0] != codes.OK:
            await context.abort(_STATUS[call.status[0]], call.status[1])


class _Table(grpc.GenericRpcHandler):
    def __init__(self, transport: GrpcioTransport) -> None:
        self._transport = transport

    def service(self, details: Any) -> Any:
        return self._transport.handler(details.method)
