"""The client of any etcd v3 endpoint: interface.Client over gRPC, on our own wire.

    client = await connect("http://127.0.0.1:2379,http://127.0.0.1:22379")

All calls go to one endpoint, the current one; when it fails, the next takes over. Reads are then repeated, writes only if
they certainly did not happen (retry.py, errors.py); a write that may have happened raises, and the caller looks.
Watches and lost connections: watch.py. One client belongs to one event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from kvcluster.client.calls import UnaryCalls
from kvcluster.client.channel import Channel
from kvcluster.client.endpoints import parse_endpoints
from kvcluster.client.pool import ChannelPool
from kvcluster.client.retry import call_with_retry
from kvcluster.client.watch import RemoteWatcher, WatchSession

DEFAULT_TIMEOUT_S = 7.0
"""Of one call, retries included: etcd's own bound for a request, 5 s + 2 election timeouts."""


async def connect(endpoints: str | Sequence[str], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> RemoteClient:
    """A client of the cluster behind `endpoints`, once one of them accepts a connection.

    endpoints: "http://host:port" or "host:port", a list of them or a comma list. timeout_s: of this and of every call.
    Raises ConfigError for an endpoint that cannot be used, ConnectionLostError when none accepts in time.
    """
    client = RemoteClient(ChannelPool(parse_endpoints(endpoints)), timeout_s=timeout_s)
    try:
        await call_with_retry(client._pool, _nothing, is_read=True, timeout_s=timeout_s)
    except BaseException:
        await client.close()
        raise
    return client


async def _nothing(channel: Channel) -> None:
    """To be connected is enough."""


class RemoteClient(UnaryCalls):
    """interface.Client over gRPC. Made by `connect`; an async context manager that closes itself."""

    def __init__(self, pool: ChannelPool, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
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
        def attempt(channel: Channel) -> Awaitable[bytes]:
            return channel.call(path, payload)

        return await call_with_retry(self._pool, attempt, is_read=is_read, timeout_s=self._timeout_s)

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
