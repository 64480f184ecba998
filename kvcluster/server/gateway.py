"""The JSON gateway: etcd's RPCs as POST requests with JSON bodies (etcd.md 3.8; etcd runs grpc-gateway for it).

    /v3/kv/range {"key": "Zm9v"}  ─▶ RangeRequest ─▶ method table ─▶ RangeResponse ─▶ {"header": {…}, "kvs": […], "count": "1"}

JSON is protobuf's own mapping with the names of the .proto files: 64-bit numbers as strings, bytes in base64, no zeros. Unknown
fields are ignored, and the camelCase names are taken too. A stream is one JSON document a line, {"result": {…}}, each written
and flushed by itself; requests of a stream follow each other in the body. /v3beta and /v3alpha mean /v3.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import WSMsgType, web
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from kvcluster import pb
from kvcluster.server.driver import Driver
from kvcluster.server.queued_call import QueuedCall
from kvcluster.wire import Metadata, Method, Methods, StreamHandler, parse_timeout
from kvcluster.wire import codes as grpc_codes

PREFIXES = ("/v3/", "/v3beta/", "/v3alpha/")
MAX_STREAM_DOCUMENT_BYTES = 4 * 1024 * 1024
"""Of one request of a stream, as JSON."""

_PATHS: dict[str, tuple[str, ...]] = {
    "KV": ("Range kv/range", "Put kv/put", "DeleteRange kv/deleterange", "Txn kv/txn", "Compact kv/compaction"),
    "Watch": ("Watch watch",),
    "Lease": (
        "LeaseGrant lease/grant", "LeaseRevoke lease/revoke kv/lease/revoke", "LeaseKeepAlive lease/keepalive",
        "LeaseTimeToLive lease/timetolive kv/lease/timetolive", "LeaseLeases lease/leases kv/lease/leases",
    ),
    "Cluster": (
        "MemberAdd cluster/member/add", "MemberRemove cluster/member/remove", "MemberUpdate cluster/member/update",
        "MemberList cluster/member/list", "MemberPromote cluster/member/promote",
    ),
    "Maintenance": (
        "Alarm maintenance/alarm", "Status maintenance/status", "Defragment maintenance/defragment",
        "Hash maintenance/hash", "HashKV maintenance/hashkv", "Snapshot maintenance/snapshot",
        "MoveLeader maintenance/transfer-leadership", "Downgrade maintenance/downgrade",
    ),
    "Auth": (
        "AuthEnable auth/enable", "AuthDisable auth/disable", "AuthStatus auth/status",
        "Authenticate auth/authenticate", "UserAdd auth/user/add", "UserGet auth/user/get", "UserList auth/user/list",
        "UserDelete auth/user/delete", "UserChangePassword auth/user/changepw", "UserGrantRole auth/user/grant",
        "UserRevokeRole auth/user/revoke", "RoleAdd auth/role/add", "RoleGet auth/role/get", "RoleList auth/role/list",
        "RoleDelete auth/role/delete", "RoleGrantPermission auth/role/grant", "RoleRevokePermission auth/role/revoke",
    ),
    "Lock": ("Lock lock/lock", "Unlock lock/unlock"),
    "Election": (
        "Campaign election/campaign", "Proclaim election/proclaim", "Leader election/leader",
        "Observe election/observe", "Resign election/resign",
    ),
}  # fmt: skip
"""By service: an RPC and the paths under /v3/ that lead to it."""

_HTTP_STATUS = {
    grpc_codes.OK: 200,
    grpc_codes.CANCELLED: 499,
    grpc_codes.UNKNOWN: 500,
    grpc_codes.INVALID_ARGUMENT: 400,
    grpc_codes.DEADLINE_EXCEEDED: 504,
    grpc_codes.NOT_FOUND: 404,
    grpc_codes.ALREADY_EXISTS: 409,
    grpc_codes.PERMISSION_DENIED: 403,
    grpc_codes.RESOURCE_EXHAUSTED: 429,
    grpc_codes.FAILED_PRECONDITION: 400,
    grpc_codes.ABORTED: 409,
    grpc_codes.OUT_OF_RANGE: 400,
    grpc_codes.UNIMPLEMENTED: 501,
    grpc_codes.INTERNAL: 500,
    grpc_codes.UNAVAILABLE: 503,
    grpc_codes.DATA_LOSS: 500,
    grpc_codes.UNAUTHENTICATED: 401,
}

JSON_TYPE = {"Content-Type": "application/json"}
ANSWER_HEADERS = JSON_TYPE | {"Grpc-Metadata-Content-Type": "application/grpc"}


class Route:
    """An RPC as the gateway sees it. `client_streams` and `server_streams` as in its .proto file."""

    def __init__(self, method: Any, path: bytes) -> None:
        self.path = path
        self.request_class: type[Message] = getattr(pb, method.input_type.name)
        self.response_class: type[Message] = getattr(pb, method.output_type.name)
        self.client_streams: bool = method.client_streaming
        self.server_streams: bool = method.server_streaming


def build_routes() -> dict[str, Route]:
    """Path under /v3/ → route."""
    services = {service.name: service for file in pb.FILES for service in file.services_by_name.values()}
    routes: dict[str, Route] = {}
    for name, lines in _PATHS.items():
        service = services[name]
        for line in lines:
            rpc, *paths = line.split()
            route = Route(service.methods_by_name[rpc], f"/{service.full_name}/{rpc}".encode())
            routes |= dict.fromkeys(paths, route)
    return routes


class BadRequest(Exception):
    """The body is not what the RPC takes: text, and the gRPC code that it is answered with."""

    def __init__(self, text: str, code: int = grpc_codes.INVALID_ARGUMENT) -> None:
        super().__init__(text)
        self.code = code


def parse_request(route: Route, document: Any) -> bytes:
    """The request's protobuf bytes. Raises BadRequest."""
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise BadRequest(f"json: cannot unmarshal {_kind_of(document)} into {route.request_class.DESCRIPTOR.full_name}")
    _check_fields(document, route.request_class.DESCRIPTOR)
    try:
        return ParseDict(document, route.request_class(), ignore_unknown_fields=True).SerializeToString()
    except (ParseError, ValueError, TypeError, RecursionError) as error:
        raise BadRequest(str(error)) from error


_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


def _check_fields(document: dict[str, Any], descriptor: Any) -> None:
    """What protobuf's own parser lets pass: characters that are not base64, and names that an enum does not have."""
    for name, value in document.items():
        field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
        if field is None:
            continue
        for item in value if isinstance(value, list) else (value,):
            if field.message_type is not None:
                if isinstance(item, dict):
                    _check_fields(item, field.message_type)
            elif field.type == field.TYPE_BYTES and item is not None:
                if not isinstance(item, str):
                    raise BadRequest(f"json: cannot unmarshal {_kind_of(item)} into the bytes of {field.full_name}")
                if not _BASE64.fullmatch(item):
                    raise BadRequest(f"illegal base64 data in {field.full_name}")
            elif field.enum_type is not None and isinstance(item, str) and item not in field.enum_type.values_by_name:
                raise BadRequest(f'unknown value "{item}" for enum {field.enum_type.full_name}')


def _kind_of(document: Any) -> str:
    return {list: "array", dict: "object", str: "string", bool: "bool"}.get(type(document), "number")


def encode_answer(route: Route, answer: bytes) -> str:
    message = route.response_class.FromString(answer)
    fields = MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(fields, separators=(",", ":"))


def _error_body(code: int, text: str) -> str:
    """`error` is what gateways of etcd 3.5 and older wrote, `details` what newer ones do."""
    return json.dumps({"error": text, "code": code, "message": text, "details": []}, separators=(",", ":"))


def _error(code: int, text: str) -> web.Response:
    return web.Response(status=_HTTP_STATUS.get(code, 500), body=_error_body(code, text).encode(), headers=JSON_TYPE)


def plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """What Go's net/http answers on its own."""
    fixed = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return web.Response(status=status, text=f"{text}\n", headers=fixed | (headers or {}))


def metadata_of(request: web.BaseRequest) -> Metadata:
    """A call's metadata: what Grpc-Metadata-… headers say, the token, and the mark of the gateway."""
    found: dict[str, str | bytes] = {"grpcgateway-accept": request.headers.get("Accept", "*/*")}
    for name, value in request.headers.items():
        lowered = name.lower()
        if lowered.startswith("grpc-metadata-"):
            found[lowered.removeprefix("grpc-metadata-")] = value
        elif lowered == "authorization":
            found[lowered] = value
    return found


_MARKS = re.compile(r'["\\{}]')


class Documents:
    """JSON objects that follow each other, in pieces as they come: `feed` gives those that are whole.

    Their ends are found by counting braces outside of strings; what is between them is json's to judge.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._depth = 0
        self._is_in_string = False

    def feed(self, data: bytes) -> list[Any]:
        """Raises BadRequest for what can be no JSON, or grows too large."""
        try:
            self._text += self._utf8.decode(data)
        except UnicodeDecodeError as error:
            raise BadRequest(f"the body is not UTF-8: {error}") from error
        found = []
        while (end := self._find_end()) is not None:
            found.append(_first_document(self._text[:end]))
            self._text, self._at = self._text[end:], 0
        if len(self._text) > MAX_STREAM_DOCUMENT_BYTES:
            raise BadRequest("a request of the stream is too large", grpc_codes.RESOURCE_EXHAUSTED)
        return found

    def _find_end(self) -> int | None:
        """Where the first object ends; goes on where the last look stopped."""
        if not self._depth:
            self._text = self._text.lstrip()
            self._at = 0
            if self._text and self._text[0] != "{":
                raise BadRequest(f"invalid character {self._text[0]!r} looking for the beginning of an object")
        at = self._at
        while (mark := _MARKS.search(self._text, at)) is not None:
            at = mark.end()
            match mark[0]:
                case "\\":
                    if at >= len(self._text):
                        self._at = at - 1
                        return None
                    at += 1
                case '"':
                    self._is_in_string = not self._is_in_string
                case "{" if not self._is_in_string:
                    self._depth += 1
                case "}" if not self._is_in_string:
                    self._depth -= 1
                    if not self._depth:
                        return at
        self._at = len(self._text)
        return None

    def finish(self) -> None:
        """The body has ended. Raises BadRequest in the middle of a document."""
        if self._text.strip():
            raise BadRequest("unexpected EOF")


class Gateway:
    """Answers requests under PREFIXES. max_message_bytes: of a request as protobuf."""

    def __init__(self, driver: Driver, methods: Methods, max_message_bytes: int) -> None:
        self._driver = driver
        self._methods = methods
        self._max_message_bytes = max_message_bytes
        self._routes = build_routes()

    def handles(self, path: str) -> bool:
        return path.startswith(PREFIXES)

    async def handle(self, request: web.BaseRequest, headers: Mapping[str, str]) -> web.StreamResponse:
        """headers: what every answer has, streams too."""
        route = self._routes.get(request.path.split("/", 2)[2])
        if route is None:
            return plain(404, "Not Found")
        if request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, route)
        if request.method != "POST":
            return plain(405, "Method Not Allowed")
        method = self._methods[route.path]
        try:
            timeout = request.headers.get("Grpc-Timeout")
            timeout_s = None if timeout is None else parse_timeout(timeout.encode())
        except ValueError:
            return _error(grpc_codes.INVALID_ARGUMENT, f"invalid grpc-timeout: {timeout}")
        call = QueuedCall(metadata_of(request), request.remote or "")
        try:
            async with asyncio.timeout(timeout_s):
                if route.server_streams:
                    return await self._stream(request, route, method, call, headers)
                return await self._unary(request, route, method, call)
        except BadRequest as error:
            return _error(error.code, str(error))
        except TimeoutError:
            return _error(grpc_codes.DEADLINE_EXCEEDED, "context deadline exceeded")

    # ---- unary ----

    async def _unary(self, request: web.BaseRequest, route: Route, method: Method, call: QueuedCall) -> web.Response:
        payload = parse_request(route, _first_document(await self._read_body(request)))
        self._check_size(payload)
        method.handler(call, payload)
        self._driver.wake()
        try:
            answer = await call.answers.get()
        finally:
            self._abandon(call, None)
        if answer is None:
            return _error(*call.status)
        return web.Response(body=encode_answer(route, answer).encode(), headers=ANSWER_HEADERS)

    async def _read_body(self, request: web.BaseRequest) -> str:
        parts: list[bytes] = []
        size = 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > 4 * self._max_message_bytes:
                raise BadRequest(
                    f"grpc: received message larger than max ({size} vs. {self._max_message_bytes})",
                    grpc_codes.RESOURCE_EXHAUSTED,
                )
            parts.append(part)
        return _decode(b"".join(parts))

    def _check_size(self, payload: bytes) -> None:
        if len(payload) > self._max_message_bytes:
            raise BadRequest(
                f"grpc: received message larger than max ({len(payload)} vs. {self._max_message_bytes})",
                grpc_codes.RESOURCE_EXHAUSTED,
            )

    # ---- streams ----

    async def _stream(
        self,
        request: web.BaseRequest,
        route: Route,
        method: Method,
        call: QueuedCall,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Headers go out with the first answer: before it, a mistake is answered as that of a unary call."""
        handler: StreamHandler = method.handler(call)
        reading = asyncio.ensure_future(self._feed(request.content.iter_any(), route, handler, call))
        response = web.StreamResponse(headers={**headers, **ANSWER_HEADERS})

        async def write(line: str) -> None:
            if not response.prepared:
                await response.prepare(request)
            await response.write(line.encode())

        try:
            await self._write(route, handler, call, write)
            if call.status[0] != grpc_codes.OK:
                if not response.prepared:
                    return _error(*call.status)
                await write(_stream_error(*call.status))
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
        finally:
            reading.cancel()
            self._abandon(call, handler)
        return response

    async def _write(
        self, route: Route, handler: StreamHandler, call: QueuedCall, write: Callable[[str], Awaitable[None]]
    ) -> None:
        """Lines of answers, until the call is ended."""
        while (answer := await call.answers.get()) is not None:
            await write(f'{{"result":{encode_answer(route, answer)}}}\n')
            if call.has_drained(len(answer)) and call.is_active:
                handler.on_drain()
                self._driver.wake()

    async def _feed(self, parts: AsyncIterator[bytes], route: Route, handler: StreamHandler, call: QueuedCall) -> None:
        """The client's documents → the service. Only the first counts where the RPC takes one."""
        documents = Documents()
        count = 0
        try:
            async for part in parts:
                for document in documents.feed(part):
                    payload = parse_request(route, document)
                    self._check_size(payload)
                    if not call.is_active:
                        return
                    count += 1
                    if count == 1 or route.client_streams:
                        handler.on_message(payload)
                        self._driver.wake()
            documents.finish()
        except BadRequest as error:
            self._refuse(call, handler, error)
            return
        except (ConnectionError, web.RequestPayloadError):
            self._abandon(call, handler)
            return
        if call.is_active:
            if not count and not route.client_streams:
                handler.on_message(b"")
            handler.on_half_close()
            self._driver.wake()

    def _refuse(self, call: QueuedCall, handler: StreamHandler, error: BadRequest) -> None:
        """Ends a stream for the service's part too. A mistake in a stream has no code of its own in etcd."""
        if call.is_active:
            code = grpc_codes.UNKNOWN if error.code == grpc_codes.INVALID_ARGUMENT else error.code
            call.finish(code, str(error))
            handler.on_cancel()
            self._driver.wake()

    def _abandon(self, call: QueuedCall, handler: StreamHandler | None) -> None:
        if call.abandon(handler):
            self._driver.wake()

    # ---- websockets ----

    async def _websocket(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        """The same stream for browsers: a document a message, both ways."""
        if not route.server_streams:
            return plain(405, "Method Not Allowed")
        socket = web.WebSocketResponse(max_msg_size=MAX_STREAM_DOCUMENT_BYTES)
        await socket.prepare(request)
        call = QueuedCall(metadata_of(request), request.remote or "")
        handler: StreamHandler = self._methods[route.path].handler(call)
        reading = asyncio.ensure_future(self._feed_socket(socket, route, handler, call))
        try:
            await self._write(route, handler, call, socket.send_str)
            if call.status[0] != grpc_codes.OK:
                await socket.send_str(_stream_error(*call.status))
        except ConnectionError:
            pass
        finally:
            reading.cancel()
            self._abandon(call, handler)
            await socket.close()
        return socket

    async def _feed_socket(
        self, socket: web.WebSocketResponse, route: Route, handler: StreamHandler, call: QueuedCall
    ) -> None:
        async def parts() -> AsyncIterator[bytes]:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    yield message.data.encode() if isinstance(message.data, str) else message.data

        await self._feed(parts(), route, handler, call)
        if call.is_active:  # the client has gone, and hears nothing more
            call.finish()
            handler.on_cancel()
            self._driver.wake()


def _stream_error(code: int, text: str) -> str:
    error = {"code": code, "message": text, "details": []}
    return json.dumps({"error": error}, separators=(",", ":")) + "\n"


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8: {error}") from error


def _first_document(text: str) -> Any:
    """What follows the first document is not looked at, as in etcd. Raises BadRequest."""
    stripped = text.lstrip()
    if not stripped:
        return None
    try:
        return json.JSONDecoder().raw_decode(stripped)[0]
    except RecursionError as error:
        raise BadRequest("the body is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise BadRequest(f"invalid JSON: {error}") from error
