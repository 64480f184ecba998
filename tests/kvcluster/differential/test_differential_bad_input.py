"""Bad input to every RPC: etcd's code and text, and the connection goes on (compared with a real etcd 3.5.1)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kvcluster import pb
from tests.kvcluster.differential.sides import Wire, dial, etcd_binary, serving

pytestmark = pytest.mark.skipif(etcd_binary() is None, reason="there is no etcd to compare with")

GARBAGE = (b"\xff", b"\x0a\xff", b"\x08")
"""A tag that is none, a length beyond the end, a number that does not come."""

BIG = b"v" * (1536 * 1024)
HUGE = b"v" * (2048 * 1024 + 1)


def txn(**op: Any) -> pb.TxnRequest:
    return pb.TxnRequest(success=[pb.RequestOp(**op)])


REQUESTS: list[tuple[str, Any]] = [
    ("KV/Range", pb.RangeRequest()),
    ("KV/Range", pb.RangeRequest(key=b"a", revision=1 << 40)),
    ("KV/Range", pb.RangeRequest(key=b"b", range_end=b"a")),
    ("KV/Range", pb.RangeRequest(key=b"a", limit=-5)),
    ("KV/Put", pb.PutRequest()),
    ("KV/Put", pb.PutRequest(key=b"a", lease=99)),
    ("KV/Put", pb.PutRequest(key=b"a", ignore_value=True, value=b"x")),
    ("KV/Put", pb.PutRequest(key=b"a", ignore_lease=True, lease=1)),
    ("KV/Put", pb.PutRequest(key=b"missing", ignore_value=True)),
    ("KV/Put", pb.PutRequest(key=b"a", value=BIG)),
    ("KV/Put", pb.PutRequest(key=b"a", value=HUGE)),
    ("KV/DeleteRange", pb.DeleteRangeRequest()),
    ("KV/DeleteRange", pb.DeleteRangeRequest(key=b"b", range_end=b"a")),
    ("KV/Txn", txn()),
    ("KV/Txn", txn(request_put=pb.PutRequest())),
    ("KV/Txn", txn(request_range=pb.RangeRequest())),
    ("KV/Txn", txn(request_delete_range=pb.DeleteRangeRequest())),
    ("KV/Txn", txn(request_txn=txn(request_put=pb.PutRequest()))),
    ("KV/Txn", txn(request_range=pb.RangeRequest(key=b"a", revision=1 << 40))),
    ("KV/Txn", txn(request_put=pb.PutRequest(key=b"a", value=BIG))),
    ("KV/Txn", pb.TxnRequest(compare=[pb.Compare()])),
    ("KV/Txn", pb.TxnRequest(compare=[pb.Compare(key=b"a")] * 129)),
    ("KV/Txn", pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(key=b"a"))] * 2)),
    ("KV/Compact", pb.CompactionRequest(revision=1 << 40)),
    ("KV/Compact", pb.CompactionRequest(revision=-1)),
    ("Lease/LeaseGrant", pb.LeaseGrantRequest(TTL=9_000_000_001)),
    ("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=77, TTL=-5)),
    ("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=77, TTL=5)),
    ("Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=99)),
    ("Lease/LeaseRevoke", pb.LeaseRevokeRequest()),
    ("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=99)),
    ("Lease/LeaseKeepAlive", pb.LeaseKeepAliveRequest(ID=99)),
    ("Cluster/MemberAdd", pb.MemberAddRequest()),
    ("Cluster/MemberAdd", pb.MemberAddRequest(peerURLs=["nonsense"])),
    ("Cluster/MemberRemove", pb.MemberRemoveRequest(ID=99)),
    ("Cluster/MemberUpdate", pb.MemberUpdateRequest(ID=99, peerURLs=["http://127.0.0.1:1"])),
    ("Cluster/MemberUpdate", pb.MemberUpdateRequest(ID=99)),
    ("Cluster/MemberPromote", pb.MemberPromoteRequest(ID=99)),
    ("Maintenance/HashKV", pb.HashKVRequest(revision=1 << 40)),
    ("Maintenance/MoveLeader", pb.MoveLeaderRequest(targetID=99)),
    ("Maintenance/Downgrade", pb.DowngradeRequest(version="x")),
    ("Maintenance/Downgrade", pb.DowngradeRequest(version="1.2")),
    ("Maintenance/Downgrade", pb.DowngradeRequest(action=2)),
    ("Maintenance/Downgrade", pb.DowngradeRequest(action=9)),
    ("Auth/Authenticate", pb.AuthenticateRequest(name="x", password="y")),
    ("Auth/AuthEnable", pb.AuthEnableRequest()),
    ("Auth/UserAdd", pb.AuthUserAddRequest()),
    ("Auth/UserGet", pb.AuthUserGetRequest(name="x")),
    ("Auth/UserDelete", pb.AuthUserDeleteRequest(name="x")),
    ("Auth/UserChangePassword", pb.AuthUserChangePasswordRequest(name="x", password="y")),
    ("Auth/UserGrantRole", pb.AuthUserGrantRoleRequest(user="x", role="y")),
    ("Auth/UserRevokeRole", pb.AuthUserRevokeRoleRequest(name="x", role="y")),
    ("Auth/RoleAdd", pb.AuthRoleAddRequest()),
    ("Auth/RoleGet", pb.AuthRoleGetRequest(role="x")),
    ("Auth/RoleDelete", pb.AuthRoleDeleteRequest(role="x")),
    ("Auth/RoleGrantPermission", pb.AuthRoleGrantPermissionRequest(name="x")),
    ("Auth/RoleGrantPermission", pb.AuthRoleGrantPermissionRequest(name="x", perm=pb.Permission(key=b"k"))),
    ("Auth/RoleRevokePermission", pb.AuthRoleRevokePermissionRequest(role="x", key=b"k")),
    ("Nothing/Here", pb.RangeRequest()),
    ("KV/Nothing", pb.RangeRequest()),
]

PATHS = [
    *(f"/etcdserverpb.{name}" for name in dict.fromkeys(name for name, _ in REQUESTS)),
    "/v3lockpb.Lock/Lock", "/v3lockpb.Lock/Unlock", "/v3electionpb.Election/Campaign", "/v3electionpb.Election/Leader",
    "/grpc.health.v1.Health/Check",
]  # fmt: skip


async def is_fine(wire: Wire) -> bool:
    return (await wire.call("/etcdserverpb.KV/Range", pb.RangeRequest(key=b"k").SerializeToString())).ok


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_the_code_and_the_text(tmp_path: Path, transport: str):
    async with serving("etcd", tmp_path) as etcd, serving(transport, tmp_path) as ours:
        wires = await asyncio.gather(dial(etcd), dial(ours))
        for name, request in REQUESTS:
            payload = request.SerializeToString()
            answers = [await wire.call(f"/etcdserverpb.{name}", payload) for wire in wires]
            theirs, own = ((answer.code, answer.text) for answer in answers)
            if transport == "grpcio":  # what never reaches a service is grpcio's to word
                own = (
                    (own[0], theirs[1]) if "received message larger" in own[1].lower() or name.startswith("N") else own
                )
                own = (own[0], theirs[1]) if name == "KV/Nothing" else own
            assert theirs == own, f"{name} {str(request)[:200]}"
            assert all([await is_fine(wire) for wire in wires]), name


async def test_garbage(tmp_path: Path):
    """Bytes that are no message: INTERNAL in nearly the same words, and nothing else is harmed."""
    async with serving("etcd", tmp_path) as etcd, serving("native", tmp_path) as ours:
        wires = await asyncio.gather(dial(etcd), dial(ours))
        for path in PATHS:
            for payload in GARBAGE:
                answers = [await wire.call(path, payload) for wire in wires]
                theirs, own = ((answer.code, answer.text.partition(":")[0]) for answer in answers)
                assert theirs == own, f"{path} {payload!r}"
        assert all([await is_fine(wire) for wire in wires])


async def test_metadata(tmp_path: Path):
    """A client that wants a leader and has one; an API version that is none of ours to judge."""
    async with serving("etcd", tmp_path) as etcd, serving("native", tmp_path) as ours:
        wires = await asyncio.gather(dial(etcd), dial(ours))
        for metadata in ({"hasleader": "true"}, {"client-api-version": "3.7"}, {"hasleader": "maybe"}):
            answers = [await wire.call("/etcdserverpb.KV/Range", b"\x0a\x01k", metadata) for wire in wires]
            assert [answer.code for answer in answers] == [0, 0]
