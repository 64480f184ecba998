"""Every unary RPC of etcd as a method, over one function that carries bytes.

RemoteClient carries them over gRPC, EmbeddedClient into the method table of a member in this process (and replaces the
hottest of them by something shorter). So requests are built and answers read in one place, codec.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster import pb
from kvcluster.client import codec
from kvcluster.client.admin import AuthCalls, MaintenanceCalls, MemberCalls
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
from kvcluster.errors import LeaseNotFoundError


class UnaryCalls(AuthCalls, MaintenanceCalls, MemberCalls):
    """interface.KV and interface.Lease, the looks at the cluster, and all of admin.py. A subclass carries the bytes."""

    async def _call(self, path: str, payload: bytes, *, is_read: bool) -> bytes:
        """The answer to one request. is_read: repeating it does no harm. Raises what the server's refusal stands for."""
        raise NotImplementedError

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
        request = pb.PutRequest(key=key, value=value, lease=lease, prev_kv=prev_kv)
        answer = await self._call("/etcdserverpb.KV/Put", request.SerializeToString(), is_read=False)
        response = pb.PutResponse.FromString(answer)
        return codec.decode_put(response, response.header.revision)

    async def delete(self, key: bytes, range_end: bytes = b"", *, prev_kv: bool = False) -> DeleteResult:
        request = pb.DeleteRangeRequest(key=key, range_end=range_end, prev_kv=prev_kv)
        answer = await self._call("/etcdserverpb.KV/DeleteRange", request.SerializeToString(), is_read=False)
        response = pb.DeleteRangeResponse.FromString(answer)
        return codec.decode_delete(response, response.header.revision)

    async def _txn(self, request: pb.TxnRequest) -> pb.TxnResponse:
        answer = await self._call("/etcdserverpb.KV/Txn", request.SerializeToString(), is_read=False)
        return pb.TxnResponse.FromString(answer)

    async def txn(
        self, compare: Sequence[Compare] = (), success: Sequence[Op] = (), failure: Sequence[Op] = ()
    ) -> TxnResult:
        response = await self._txn(codec.build_txn(compare, success, failure))
        return codec.decode_txn(response, response.header.revision)

    async def put_if(self, key: bytes, value: bytes, *, mod_revision: int, lease: int = 0) -> PutIfResult:
        response = await self._txn(codec.build_put_if(key, value, mod_revision, lease))
        return codec.decode_put_if(response, response.header.revision)

    async def delete_if(self, key: bytes, *, mod_revision: int) -> PutIfResult:
        response = await self._txn(codec.build_delete_if(key, mod_revision))
        return codec.decode_put_if(response, response.header.revision)

    async def compact(self, revision: int, *, physical: bool = False) -> None:
        payload = pb.CompactionRequest(revision=revision, physical=physical).SerializeToString()
        await self._call("/etcdserverpb.KV/Compact", payload, is_read=False)

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
