"""Authentication and authorization, applied: what changes users and roles, and whether an entry may do what it asks for.

An entry says who asked (ops.AUTHORIZED) by the name and the auth revision that the proposing member found. Whether that user may
is decided here and not before the log, on the permissions as they are at this place of it: on every member the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.apply import ops
from kvcluster.apply.applied import Applied
from kvcluster.apply.state import State
from kvcluster.apply.txn_plan import DELETE_RANGE, PUT, RANGE, TXN, Op, TxnPlan, plan_txn
from kvcluster.auth import NOBODY, AuthStore, Identity, Permission
from kvcluster.errors import InvalidAuthManagementError, PermissionNotGivenError

_HEAD = struct.Struct(">QH")


def encode_identity(who: Identity) -> bytes:
    """What stands between an entry's head and the request: revision, length of the name, name."""
    name = who.user.encode()
    return _HEAD.pack(who.revision, len(name)) + name


def split_identity(data: bytes) -> tuple[Identity, bytes]:
    """(who asked, the request)"""
    revision, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    return Identity(data[_HEAD.size : end].decode(), revision), data[end:]


# ---- may they ----


def _check_put(state: State, who: Identity, request: Any) -> None:
    """Who attaches a key to a lease could delete the lease's other keys with it, so they must be theirs to write."""
    auth = state.auth
    auth.check_put(who, request.key)
    if request.lease:
        check_lease_keys(state, who, request.lease)
    if request.prev_kv:
        auth.check_range(who, request.key)


def _check_delete_range(state: State, who: Identity, request: pb.DeleteRangeRequest) -> None:
    state.auth.check_put(who, request.key, request.range_end)
    if request.prev_kv:
        state.auth.check_range(who, request.key, request.range_end)


def _check_txn(state: State, who: Identity, request: pb.TxnRequest | TxnPlan) -> None:
    """Compares are reads; both branches count, whichever runs, and what is nested in them."""
    plan = request if isinstance(request, TxnPlan) else plan_txn(request)
    check_txn_access(state, who, plan)


def check_txn_access(state: State, who: Identity, plan: TxnPlan) -> None:
    """Whether `who` may run the transaction. Raises as AuthStore.check_range."""
    for compare in plan.compares:
        state.auth.check_range(who, compare.key, compare.range_end)
    for op in (*plan.success, *plan.failure):
        _check_op(state, who, op)


def _check_op(state: State, who: Identity, op: Op) -> None:
    kind, request = op
    if kind == RANGE:
        state.auth.check_range(who, request.key, request.range_end)
    elif kind == PUT:
        _check_put(state, who, request)
    elif kind == DELETE_RANGE:
        _check_delete_range(state, who, request)
    elif kind == TXN:
        check_txn_access(state, who, request)


def check_lease_keys(state: State, who: Identity, lease: int) -> None:
    """Whether `who` may write all keys of a lease; of one that does not exist, anybody may."""
    found = state.lessor.find(lease)
    for key in found.keys if found is not None else ():
        state.auth.check_put(who, key)


def _check_authenticated(state: State, who: Identity, request: Any) -> None:
    state.auth.check_authenticated(who)


def _check_admin(state: State, who: Identity, request: Any) -> None:
    state.auth.check_admin(who)


_CHECKS: dict[int, Callable[[State, Identity, Any], None]] = {
    ops.PUT: _check_put,
    ops.DELETE_RANGE: _check_delete_range,
    ops.TXN: _check_txn,
    ops.COMPACT: _check_admin,
    ops.LEASE_GRANT: _check_authenticated,
    ops.LEASE_REVOKE: lambda state, who, request: check_lease_keys(state, who, request.ID),
}
_CHECKS |= dict.fromkeys(ops.OF_AUTH - {ops.AUTHENTICATE}, _check_admin)


def check_access(state: State, op: int, who: Identity, request: Any) -> None:
    """Raises what an entry of this user is refused with; an operation without a row is the server's own."""
    check = _CHECKS.get(op)
    if check is not None:
        check(state, who, request)


# ---- changes ----


def _user_add(auth: AuthStore, request: pb.AuthUserAddRequest) -> None:
    auth.add_user(request.name, request.hashedPassword.encode(), no_password=request.options.no_password)


def _change_password(auth: AuthStore, request: pb.AuthUserChangePasswordRequest) -> None:
    auth.change_password(request.name, request.hashedPassword.encode())


def _grant_permission(auth: AuthStore, request: pb.AuthRoleGrantPermissionRequest) -> None:
    if not request.HasField("perm"):
        raise PermissionNotGivenError
    key, range_end = request.perm.key, request.perm.range_end
    if not key or (range_end not in (b"", b"\x00") and key >= range_end):
        raise InvalidAuthManagementError
    auth.grant_permission(request.name, Permission(request.perm.permType, key, range_end))


_CHANGES: dict[int, tuple[Any, Callable[[AuthStore, Any], None]]] = {
    ops.AUTH_ENABLE: (pb.AuthEnableRequest, lambda auth, request: auth.enable()),
    ops.AUTH_DISABLE: (pb.AuthDisableRequest, lambda auth, request: auth.disable()),
    ops.AUTHENTICATE: (pb.AuthenticateRequest, lambda auth, request: auth.add_token(request.name, request.password)),
    ops.USER_ADD: (pb.AuthUserAddRequest, _user_add),
    ops.USER_DELETE: (pb.AuthUserDeleteRequest, lambda auth, request: auth.delete_user(request.name)),
    ops.USER_CHANGE_PASSWORD: (pb.AuthUserChangePasswordRequest, _change_password),
    ops.USER_GRANT_ROLE: (
        pb.AuthUserGrantRoleRequest,
        lambda auth, request: auth.grant_role(request.user, request.role),
    ),
    ops.USER_REVOKE_ROLE: (
        pb.AuthUserRevokeRoleRequest,
        lambda auth, request: auth.revoke_role(request.name, request.role),
    ),
    ops.ROLE_ADD: (pb.AuthRoleAddRequest, lambda auth, request: auth.add_role(request.name)),
    ops.ROLE_DELETE: (pb.AuthRoleDeleteRequest, lambda auth, request: auth.delete_role(request.role)),
    ops.ROLE_GRANT_PERMISSION: (pb.AuthRoleGrantPermissionRequest, _grant_permission),
    ops.ROLE_REVOKE_PERMISSION: (
        pb.AuthRoleRevokePermissionRequest,
        lambda auth, request: auth.revoke_permission(request.role, request.key, request.range_end),
    ),
}
"""AUTHENTICATE: the password was checked before the log; its field carries the token instead."""


def _row(op: int) -> tuple[Callable[[bytes], Any], Callable[[State, Any], Applied]]:
    message, change = _CHANGES[op]

    def apply(state: State, request: Any) -> Applied:
        change(state.auth, request)
        return Applied(state.store.revision)

    return message.FromString, apply


AUTH_TABLE = {op: _row(op) for op in _CHANGES}
"""For the applier's table."""

__all__ = [
    "AUTH_TABLE",
    "NOBODY",
    "check_access",
    "check_lease_keys",
    "check_txn_access",
    "encode_identity",
    "split_identity",
]
