"""API servers with access control, and whoever asks them."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from apiserver.auth import User
from apiserver.config import AccessConfig, ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

Start = Callable[[AccessConfig], Coroutine[Any, Any, ApiServer]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """start(access) → a server of its own store, stopped at the end."""
    async with AsyncExitStack() as stack:

        async def started(access: AccessConfig) -> ApiServer:
            store = await stack.enter_async_context(Cluster(members=1))
            server = ApiServer(ApiServerConfig(access=access), store.client())
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield started


async def ask(
    server: ApiServer, user: User, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """(status, body) of a request in the same process, as this user."""
    transport = server.in_process_transport(user)
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if body is not None and "Content_Type" not in headers:
        pairs.append(("Content-Type", "application/json"))
    sent = b"" if body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    asked = [tuple(part.split("=", 1)) for part in query.split("&") if part]
    answer = await transport.request(method, path, query=asked, headers=pairs, body=sent)
    return answer.status, json.loads(answer.body)


async def call(
    server: ApiServer,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str = "",
    context: ssl.SSLContext | None = None,
    headers: list[tuple[str, str]] | None = None,
) -> tuple[int, Any]:
    """(status, body) of a request over the socket."""
    named = list(headers or [])
    if token:
        named.append(("Authorization", f"Bearer {token}"))
    checked: ssl.SSLContext | bool = context if context is not None else True
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path, json=body, headers=named, ssl=checked) as answer,
    ):
        raw = await answer.read()
        return answer.status, json.loads(raw) if "json" in answer.headers.get("Content-Type", "") else raw.decode()
