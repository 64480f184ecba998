"""The rest of etcd's RPCs as methods: users and roles, maintenance, members; over the same function as calls.py.

Errors are those of kvcluster.errors with etcd's texts; passwords appear in none of them.
"""

from __future__ import annotations

from typing import NamedTuple

from kvcluster import pb
from kvcluster.client import codec
from kvcluster.client.interface import MemberInfo

READ, WRITE, READWRITE = "read", "write", "readwrite"
_PERMISSIONS = (READ, WRITE, READWRITE)


class Permission(NamedTuple):
    """type: READ, WRITE or READWRITE. range_end as everywhere."""

    type: str
    key: bytes
    range_end: bytes = b""


class Alarm(NamedTuple):
    """name: NOSPACE or CORRUPT."""

    member_id: int
    name: str


class Carrier:
    """A subclass carries the bytes (calls.UnaryCalls)."""

    async def _call(self, path: str, payload: bytes, *, is_read: bool) -> bytes:
        raise NotImplementedError


class AuthCalls(Carrier):
    """Users, roles, permissions, and the switch (etcd: Auth)."""

    async def _auth(self, method: str, payload: bytes = b"", *, is_read: bool = False) -> bytes:
        return await self._call(f"/etcdserverpb.Auth/{method}", payload, is_read=is_read)

    async def authenticate(self, user: str, password: str) -> str:
        """A token for the password. Raises AuthFailedError, AuthNotEnabledError."""
        request = pb.AuthenticateRequest(name=user, password=password)
        answer = await self._auth("Authenticate", request.SerializeToString(), is_read=True)
        return pb.AuthenticateResponse.FromString(answer).token

    async def auth_enable(self) -> None:
        """Needs a user root with role root. Raises RootUserNotExistError, RootRoleNotExistError."""
        await self._auth("AuthEnable")

    async def auth_disable(self) -> None:
        await self._auth("AuthDisable")

    async def auth_is_enabled(self) -> bool:
        return pb.AuthStatusResponse.FromString(await self._auth("AuthStatus", is_read=True)).enabled

    async def user_add(self, user: str, password: str | None) -> None:
        """password None: a user who only comes with a client certificate."""
        options = pb.UserAddOptions(no_password=password is None)
        request = pb.AuthUserAddRequest(name=user, password=password or "", options=options)
        await self._auth("UserAdd", request.SerializeToString())

    async def user_delete(self, user: str) -> None:
        await self._auth("UserDelete", pb.AuthUserDeleteRequest(name=user).SerializeToString())

    async def user_change_password(self, user: str, password: str) -> None:
        request = pb.AuthUserChangePasswordRequest(name=user, password=password)
        await self._auth("UserChangePassword", request.SerializeToString())

    async def user_roles(self, user: str) -> list[str]:
        """Raises UserNotFoundError."""
        answer = await self._auth("UserGet", pb.AuthUserGetRequest(name=user).SerializeToString(), is_read=True)
        return list(pb.AuthUserGetResponse.FromString(answer).roles)

    async def users(self) -> list[str]:
        return list(pb.AuthUserListResponse.FromString(await self._auth("UserList", is_read=True)).users)

    async def user_grant_role(self, user: str, role: str) -> None:
        await self._auth("UserGrantRole", pb.AuthUserGrantRoleRequest(user=user, role=role).SerializeToString())

    async def user_revoke_role(self, user: str, role: str) -> None:
        await self._auth("UserRevokeRole", pb.AuthUserRevokeRoleRequest(name=user, role=role).SerializeToString())

    async def role_add(self, role: str) -> None:
        await self._auth("RoleAdd", pb.AuthRoleAddRequest(name=role).SerializeToString())

    async def role_delete(self, role: str) -> None:
        await self._auth("RoleDelete", pb.AuthRoleDeleteRequest(role=role).SerializeToString())

    async def roles(self) -> list[str]:
        return list(pb.AuthRoleListResponse.FromString(await self._auth("RoleList", is_read=True)).roles)

    async def role_permissions(self, role: str) -> list[Permission]:
        """Raises RoleNotFoundError."""
        answer = await self._auth("RoleGet", pb.AuthRoleGetRequest(role=role).SerializeToString(), is_read=True)
        perms = pb.AuthRoleGetResponse.FromString(answer).perm
        return [Permission(_PERMISSIONS[perm.permType], perm.key, perm.range_end) for perm in perms]

    async def role_grant(self, role: str, type: str, key: bytes, range_end: bytes = b"") -> None:
        """type: READ, WRITE or READWRITE. ValueError for another."""
        perm = pb.Permission(permType=_PERMISSIONS.index(type), key=key, range_end=range_end)
        await self._auth(
            "RoleGrantPermission", pb.AuthRoleGrantPermissionRequest(name=role, perm=perm).SerializeToString()
        )

    async def role_revoke(self, role: str, key: bytes, range_end: bytes = b"") -> None:
        request = pb.AuthRoleRevokePermissionRequest(role=role, key=key, range_end=range_end)
        await self._auth("RoleRevokePermission", request.SerializeToString())


class MaintenanceCalls(Carrier):
    """Of the member at the current endpoint, but for alarms, which are the cluster's."""

    async def _maintain(self, method: str, payload: bytes = b"", *, is_read: bool = False) -> bytes:
        return await self._call(f"/etcdserverpb.Maintenance/{method}", payload, is_read=is_read)

    async def alarms(self) -> list[Alarm]:
        return _alarms(await self._maintain("Alarm", is_read=True))

    async def disarm(self, alarm: Alarm) -> None:
        request = pb.AlarmRequest(
            action=pb.AlarmRequest.DEACTIVATE, memberID=alarm.member_id, alarm=pb.AlarmType.Value(alarm.name)
        )
        await self._maintain("Alarm", request.SerializeToString())

    async def defragment(self) -> None:
        await self._maintain("Defragment")

    async def hash_kv(self, revision: int = 0) -> int:
        """Of all that is stored up to a revision; equal on all members. Raises CompactedError, FutureRevisionError."""
        request = pb.HashKVRequest(revision=revision)
        answer = await self._maintain("HashKV", request.SerializeToString(), is_read=True)
        return pb.HashKVResponse.FromString(answer).hash

    async def move_leader(self, member_id: int) -> None:
        """Asked of the leader. Raises NotLeaderError, BadLeaderTransfereeError."""
        await self._maintain("MoveLeader", pb.MoveLeaderRequest(targetID=member_id).SerializeToString())


def _alarms(answer: bytes) -> list[Alarm]:
    alarms = pb.AlarmResponse.FromString(answer).alarms
    return [Alarm(alarm.memberID, pb.AlarmType.Name(alarm.alarm)) for alarm in alarms]


class MemberCalls(Carrier):
    """Changes of the cluster's members (etcd: Cluster)."""

    async def _change(self, method: str, payload: bytes) -> bytes:
        return await self._call(f"/etcdserverpb.Cluster/{method}", payload, is_read=False)

    async def member_add(self, peer_urls: list[str], *, is_learner: bool = False) -> MemberInfo:
        """The new member, which has no name until it is started. Raises PeerUrlExistsError, UnhealthyClusterError, …"""
        request = pb.MemberAddRequest(peerURLs=peer_urls, isLearner=is_learner)
        answer = await self._change("MemberAdd", request.SerializeToString())
        return codec.decode_members([pb.MemberAddResponse.FromString(answer).member])[0]

    async def member_remove(self, id: int) -> None:
        """Raises MemberNotFoundError, NotEnoughStartedMembersError, UnhealthyClusterError."""
        await self._change("MemberRemove", pb.MemberRemoveRequest(ID=id).SerializeToString())

    async def member_update(self, id: int, peer_urls: list[str]) -> None:
        await self._change("MemberUpdate", pb.MemberUpdateRequest(ID=id, peerURLs=peer_urls).SerializeToString())

    async def member_promote(self, id: int) -> None:
        """Makes a learner a voter. Raises LearnerNotReadyError."""
        await self._change("MemberPromote", pb.MemberPromoteRequest(ID=id).SerializeToString())
