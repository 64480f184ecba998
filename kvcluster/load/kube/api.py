"""One API server as HTTP: a session with the plan's credentials, and errors that say what to look at."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from kvcluster.load.links import LoadError
from kvcluster.load.plan import Plan

CONNECT_TIMEOUT_S = 5.0
READ_BUFFER_BYTES = 1024 * 1024
PROBLEMS = (aiohttp.ClientError, TimeoutError, OSError)
"""What a request raises where no answer came."""


class Refused(LoadError):
    """An answer with a status of 400 and above."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Api:
    """Requests to plan.endpoints; `server` picks one of them."""

    def __init__(self, plan: Plan) -> None:
        self._urls = [base_url(endpoint) for endpoint in plan.endpoints]
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            if plan.token_file:
                headers["Authorization"] = f"Bearer {Path(plan.token_file).read_text().strip()}"
            tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=plan.ca_file) if plan.ca_file else True
        except OSError as error:  # ssl.SSLError is one
            raise LoadError(f"token_file or ca_file: {error}") from error
        self._timeout_s = plan.timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls), headers=headers, read_bufsize=READ_BUFFER_BYTES
        )

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", server: int = 0
    ) -> Mapping[str, Any]:
        """The answer's object. Raises Refused, and LoadError where no answer came."""
        url = self._urls[server % len(self._urls)]
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._session.request(
                method, url + path, data=None if body is None else json.dumps(body), timeout=timeout,
                headers={"Content-Type": content_type} if body is not None else None,
            ) as response:  # fmt: skip
                payload = await response.read()
        except PROBLEMS as error:
            raise LoadError(unreachable(url, error)) from error
        if response.status >= 400:
            raise Refused(response.status, f"{method} {path}: {said(response.status, payload)}")
        try:
            return dict(json.loads(payload))
        except (ValueError, TypeError):
            raise LoadError(f"{url}{path} does not answer in JSON: is it an API server?") from None

    async def open_watch(self, path: str, *, server: int = 0) -> aiohttp.ClientResponse:
        """The answer, from which the lines come. Raises like `request`."""
        url = self._urls[server % len(self._urls)]
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        try:
            response = await self._session.get(url + path, timeout=timeout)
            if response.status >= 400:
                raise Refused(response.status, f"GET {path}: {said(response.status, await response.read())}")
        except PROBLEMS as error:
            raise LoadError(unreachable(url, error)) from error
        return response

    async def close(self) -> None:
        await self._session.close()


def base_url(endpoint: str) -> str:
    return (endpoint if "://" in endpoint else f"http://{endpoint}").rstrip("/")


def unreachable(url: str, error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"{url} does not answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{url}: its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{url}: {error.os_error.strerror or error.os_error}"
    return f"{url}: {error or type(error).__name__}"


def said(status: int, payload: bytes) -> str:
    """An API server's Status, or the status alone."""
    try:
        message = json.loads(payload)["message"]
    except (ValueError, KeyError, TypeError):
        message = payload[:200].decode("utf-8", "replace").strip()
    return f"{status} {message}".strip()
