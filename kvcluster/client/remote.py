"""The client of any etcd v3 endpoint: interface.Client over gRPC, on our own wire.

    client = await connect("http://127.0.0.1:2379,http://127.0.0.1:22379")

All calls go to one endpoint, the current one; when it fails, the next takes over. Reads are then repeated, writes only if
they certainly did not happen (retry.py, errors.py); a write that may have happened raises, and the caller looks.
Watches and lost connections: watch.py. One client belongs to one event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from kvcluster import pb
from kvcluster.client import codec
from kvcluster.client.channel import Channel
from kvcluster.client.endpoints import parse_endpoints
from kvcluster.client.interface import (
    Compare,
    DeleteResult,
    GetResult,
    LeaseInfo,
    MemberInfo,
    Op,
    PutIfResult,
    PutResult,
    RangeResult,
    Status,
    TxnResult,
)
from kvcluster.client.pool import ChannelPool
from kvcluster.client.retry import call_with_retry
from kvcluster.client.watch import RemoteWatcher, WatchSession
from kvcluster.errors import LeaseNotFoundError

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


class RemoteClient:
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

    # -- KV ---------------------------------------------------------------------------------------------------------

    async def get(self, key: bytes, *, revision: int = 0, serializable: bool = False) -> GetResult:
        result = await self.range(key, revision=revision, serializable=serializable)
        return GetResult(result.kvs[0] if result.kvs else None, result.revision)

    async def range(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        revision: int = 0,
        limit: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
        serializable: bool = False,
    ) -> RangeResult:
        request = pb.RangeRequest(
            key=key, range_end=range_end, revision=revision, limit=limit,
            keys_only=keys_only, count_only=count_only, serializable=serializable,
        )  # fmt: skip
        answer = await self._call("/etcdserverpb.KV/Range", request.SerializeToString(), is_read=True)
        response = pb.RangeResponse.FromString(answer)
        return codec.decode_range(response, response.header.revision)

    async def put(self, key: bytes, value: bytes, *, lease: int = 0, prev_kv: bool = False) -> PutResult:
        payload = codec.encode_put(key, value, lease, prev_kv)
        response = pb.PutResponse.FromString(await self._call("/etcdserverpb.KV/Put", payload, is_read=False))
        return codec.decode_put(response, response.header.revision)

    async def delete(self, key: bytes, range_end: bytes = b"", *, prev_kv: bool = False) -> DeleteResult:
        payload = codec.encode_delete(key, range_end, prev_kv)
        answer = await self._call("/etcdserverpb.KV/DeleteRange", payload, is_read=False)
        response = pb.DeleteRangeResponse.FromString(answer)
        return codec.decode_delete(response, response.header.revision)

    async def _txn(self, payload: bytes) -> pb.TxnResponse:
        return pb.TxnResponse.FromString(await self._call("/etcdserverpb.KV/Txn", payload, is_read=False))

    async def txn(
        self, compare: Sequence[Compare] = (), success: Sequence[Op] = (), failure: Sequence[Op] = ()
    ) -> TxnResult:
        response = await self._txn(codec.encode_txn(compare, success, failure))
        return codec.decode_txn(response, response.header.revision)

    async def put_if(self, key: bytes, value: bytes, *, mod_revision: int, lease: int = 0) -> PutIfResult:
        response = await self._txn(codec.encode_put_if(key, value, mod_revision, lease))
        return codec.decode_put_if(response, response.header.revision)

    async def delete_if(self, key: bytes, *, mod_revision: int) -> PutIfResult:
        response = await self._txn(codec.encode_delete_if(key, mod_revision))
        return codec.decode_put_if(response, response.header.revision)

    async def compact(self, revision: int, *, physical: bool = False) -> None:
        payload = pb.CompactionRequest(revision=revision, physical=physical).SerializeToString()
        await self._call("/etcdserverpb.KV/Compact", payload, is_read=False)

    # -- Watch ------------------------------------------------------------------------------------------------------

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

    # -- Lease ------------------------------------------------------------------------------------------------------

    async def grant(self, ttl_s: int, *, id: int = 0) -> LeaseInfo:
        payload = pb.LeaseGrantRequest(TTL=ttl_s, ID=id).SerializeToString()
        answer = await self._call("/etcdserverpb.Lease/LeaseGrant", payload, is_read=False)
        response = pb.LeaseGrantResponse.FromString(answer)
        return LeaseInfo(response.ID, response.TTL, response.TTL)

    async def revoke(self, id: int) -> None:
        payload = pb.LeaseRevokeRequest(ID=id).SerializeToString()
        await self._call("/etcdserverpb.Lease/LeaseRevoke", payload, is_read=False)

    async def keep_alive_once(self, id: int) -> LeaseInfo:
        # A stream of one request and one answer has the same bytes as a unary call. Renewing twice does no harm.
        payload = pb.LeaseKeepAliveRequest(ID=id).SerializeToString()
        answer = await self._call("/etcdserverpb.Lease/LeaseKeepAlive", payload, is_read=True)
        response = pb.LeaseKeepAliveResponse.FromString(answer)
        if response.TTL <= 0:
            raise LeaseNotFoundError
        return LeaseInfo(response.ID, response.TTL, response.TTL)

    async def time_to_live(self, id: int, *, keys: bool = False) -> LeaseInfo:
        payload = pb.LeaseTimeToLiveRequest(ID=id, keys=keys).SerializeToString()
        answer = await self._call("/etcdserverpb.Lease/LeaseTimeToLive", payload, is_read=True)
        return codec.decode_lease_ttl(pb.LeaseTimeToLiveResponse.FromString(answer))

    async def leases(self) -> list[int]:
        answer = await self._call("/etcdserverpb.Lease/LeaseLeases", b"", is_read=True)
        return [lease.ID for lease in pb.LeaseLeasesResponse.FromString(answer).leases]

    # -- the cluster ------------------------------------------------------------------------------------------------

    async def status(self) -> Status:
        """Of the member at the current endpoint."""
        answer = await self._call("/etcdserverpb.Maintenance/Status", b"", is_read=True)
        return codec.decode_status(pb.StatusResponse.FromString(answer))

    async def members(self) -> list[MemberInfo]:
        """As the member at the current endpoint knows them; needs no quorum."""
        answer = await self._call("/etcdserverpb.Cluster/MemberList", b"", is_read=True)
        return codec.decode_members(pb.MemberListResponse.FromString(answer).members)
