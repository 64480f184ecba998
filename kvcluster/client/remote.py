"""The client of any etcd v3 endpoint: interface.Client over gRPC, on our own wire.

    client = await connect("http://127.0.0.1:2379,http://127.0.0.1:22379")

All calls go to one endpoint, the current one; when it fails, the next takes over. Reads are then repeated, writes only if
they certainly did not happen (retry.py, errors.py); a write that may have happened raises, and the caller looks.
Watches and lost connections: watch.py. One client belongs to one event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from kvcluster.client.calls import UnaryCalls
from kvcluster.client.channel import Channel
from kvcluster.client.endpoints import parse_endpoints
from kvcluster.client.pool import ChannelPool
from kvcluster.client.retry import call_with_retry
from kvcluster.client.watch import RemoteWatcher, WatchSession
from kvcluster.errors import AuthNotEnabledError, AuthOldRevisionError, InvalidAuthTokenError, UserEmptyError

_AUTHENTICATE = "/etcdserverpb.Auth/Authenticate"

DEFAULT_TIMEOUT_S = 7.0
"""Of one call, retries included: etcd's own bound for a request, 5 s + 2 election timeouts."""


class TlsConfig(NamedTuple):
    """Files in PEM form. ca_file: whose certificates servers must show; without it the system's authorities count.
    cert_file and key_file: who this client is."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False


async def connect(
    endpoints: str | Sequence[str],
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    user: str = "",
    password: str = "",
    tls: TlsConfig | None = None,
) -> RemoteClient:
    """A client of the cluster behind `endpoints`, once one of them accepts a connection.

    endpoints: "http://host:port", "https://host:port" or "host:port", a list of them or a comma list. timeout_s: of this and of
    every call. user, password: who this is, where authentication is on; where it is off they are not used. tls: for https.
    Raises ConfigError for an endpoint or a file that cannot be used, ConnectionLostError when none accepts in time,
    AuthFailedError.
    """
    parsed = parse_endpoints(endpoints)
    context = None
    if any(endpoint.is_tls for endpoint in parsed):
        from kvcluster.tls import build_client_context

        context = build_client_context(**(tls or TlsConfig())._asdict())
    client = RemoteClient(ChannelPool(parsed, context), timeout_s=timeout_s, user=user, password=password)
    try:
        await call_with_retry(client._pool, _nothing, is_read=True, timeout_s=timeout_s)
        if user:
            await client._log_in()
    except BaseException:
        await client.close()
        raise
    return client


async def _nothing(channel: Channel) -> None:
    """To be connected is enough."""


class RemoteClient(UnaryCalls):
    """interface.Client over gRPC. Made by `connect`; an async context manager that closes itself."""

    def __init__(
        self, pool: ChannelPool, *, timeout_s: float = DEFAULT_TIMEOUT_S, user: str = "", password: str = ""
    ) -> None:
        self._user = user
        self._password = password
        self._pool = pool
        self._timeout_s = timeout_s
        self._watches = WatchSession(pool)

    async def __aenter__(self) -> RemoteClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends watches and connections; calls in flight fail. Safe to call twice."""
        await self._watches.close()
        await self._pool.close()

    async def _call(self, path: str, payload: bytes, *, is_read: bool) -> bytes:
        try:
            return await self._attempt(path, payload, is_read)
        except (InvalidAuthTokenError, AuthOldRevisionError, UserEmptyError):
            if not self._user or path == _AUTHENTICATE:
                raise
        await self._log_in()  # the token is too old, or was given out before anybody's rights changed
        return await self._attempt(path, payload, is_read)

    async def _attempt(self, path: str, payload: bytes, is_read: bool) -> bytes:
        def attempt(channel: Channel) -> Awaitable[bytes]:
            return channel.call(path, payload)

        return await call_with_retry(self._pool, attempt, is_read=is_read, timeout_s=self._timeout_s)

    async def _log_in(self) -> None:
        """Takes a new token; none where authentication is off."""
        self._pool.metadata.pop("token", None)
        try:
            self._pool.metadata["token"] = await self.authenticate(self._user, self._password)
        except AuthNotEnabledError:
            pass

    async def watch(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        start_revision: int = 0,
        prev_kv: bool = False,
        progress_notify: bool = False,
    ) -> RemoteWatcher:
        return await self._watches.open(key, range_end, start_revision, prev_kv, progress_notify, self._timeout_s)
