"""The Auth service: users, roles, permissions, and tokens for passwords (etcd.md 2.10).

Changes go through the log. Passwords do not: they are hashed, or compared, before it, on `offload`'s threads, because bcrypt
is slow on purpose. Looks wait for a read barrier.

    Authenticate: barrier ─▶ hash of that user ─▶ compare (offload) ─▶ has anything changed? ─no─▶ token
                     ▲────────────────────────────────────────────────────yes──┘
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.auth import Identity
from kvcluster.errors import AuthFailedError, EtcdError, InvalidAuthTokenError, PermissionDeniedError
from kvcluster.member import Applied, Member, ops
from kvcluster.rpc.access import Access
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.passwords import check_password, hash_password
from kvcluster.rpc.status import status_of
from kvcluster.rpc.tokens import JwtTokens, SimpleTokens
from kvcluster.wire import UNARY, Method, ServiceCall

Offload = Callable[[Callable[[], Any], Callable[[Any], object]], object]
"""offload(work, then): calls work() on some thread, and then(its result) where the member lives."""


def run_inline(work: Callable[[], Any], then: Callable[[Any], object]) -> None:
    """The simplest Offload: here and now."""
    then(work())


# RPC → (request, operation): changes that are proposed as they came.
_CHANGES: dict[str, tuple[Any, int]] = {
    "AuthEnable": (pb.AuthEnableRequest, ops.AUTH_ENABLE),
    "AuthDisable": (pb.AuthDisableRequest, ops.AUTH_DISABLE),
    "UserDelete": (pb.AuthUserDeleteRequest, ops.USER_DELETE),
    "UserGrantRole": (pb.AuthUserGrantRoleRequest, ops.USER_GRANT_ROLE),
    "UserRevokeRole": (pb.AuthUserRevokeRoleRequest, ops.USER_REVOKE_ROLE),
    "RoleAdd": (pb.AuthRoleAddRequest, ops.ROLE_ADD),
    "RoleDelete": (pb.AuthRoleDeleteRequest, ops.ROLE_DELETE),
    "RoleGrantPermission": (pb.AuthRoleGrantPermissionRequest, ops.ROLE_GRANT_PERMISSION),
    "RoleRevokePermission": (pb.AuthRoleRevokePermissionRequest, ops.ROLE_REVOKE_PERMISSION),
}


class AuthService:
    """bcrypt_cost: etcd's --bcrypt-cost."""

    __slots__ = ("_member", "_auth", "_access", "_tokens", "_bcrypt_cost", "_offload")

    def __init__(
        self, member: Member, access: Access, tokens: SimpleTokens | JwtTokens, *, bcrypt_cost: int, offload: Offload
    ) -> None:
        self._member = member
        self._auth = member.auth
        self._access = access
        self._tokens = tokens
        self._bcrypt_cost = bcrypt_cost
        self._offload = offload

    def methods(self) -> dict[bytes, Method]:
        """path → method, of the whole service."""
        handlers: dict[str, Callable[[ServiceCall, bytes], None]] = {
            name: self._change(message, op) for name, (message, op) in _CHANGES.items()
        }
        handlers |= {
            "Authenticate": self.authenticate,
            "AuthStatus": self._look(pb.AuthStatusRequest, self._need_admin, self._status),
            "UserAdd": self.user_add,
            "UserChangePassword": self.user_change_password,
            "UserGet": self._look(pb.AuthUserGetRequest, self._need_that_user, self._user_get),
            "UserList": self._look(pb.AuthUserListRequest, self._need_admin, self._user_list),
            "RoleGet": self._look(pb.AuthRoleGetRequest, self._need_that_role, self._role_get),
            "RoleList": self._look(pb.AuthRoleListRequest, self._need_admin, self._role_list),
        }
        return {f"/etcdserverpb.Auth/{name}".encode(): Method(UNARY, handler) for name, handler in handlers.items()}

    # ---- changes ----

    def _propose(self, call: ServiceCall, op: int, payload: bytes, request: Any) -> None:
        self._access.propose(call, op, payload, lambda applied: self._answer(call, applied), request)

    def _answer(self, call: ServiceCall, applied: Applied, body: bytes = b"") -> None:
        if applied.error is None:
            call.reply(self._member.header(applied.revision), body)
        else:
            call.fail(*status_of(applied.error))

    def _change(self, message: Any, op: int) -> Callable[[ServiceCall, bytes], None]:
        def handle(call: ServiceCall, payload: bytes) -> None:
            request = decode_unary(message, payload, call, self._member)
            if request is not None:
                self._propose(call, op, payload, request)

        return handle

    def user_add(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.AuthUserAddRequest, payload, call, self._member)
        if request is not None:
            self._hash_and_propose(call, ops.USER_ADD, request, request.options.no_password)

    def user_change_password(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.AuthUserChangePasswordRequest, payload, call, self._member)
        if request is not None:
            self._hash_and_propose(call, ops.USER_CHANGE_PASSWORD, request, False)

    def _hash_and_propose(self, call: ServiceCall, op: int, request: Any, no_password: bool) -> None:
        password, request.password, request.hashedPassword = request.password, "", ""

        def propose(hashed: str) -> None:
            request.hashedPassword = hashed
            self._propose(call, op, request.SerializeToString(), request)

        def hash_it() -> None:
            if no_password:
                propose("")
            else:
                self._offload(lambda: hash_password(password, self._bcrypt_cost), propose)

        # Looked at before the log too: hashing is work that not everybody may ask for.
        self._access.check(call, self._auth.check_admin, hash_it)

    # ---- tokens ----

    def authenticate(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.AuthenticateRequest, payload, call, self._member)
        if request is not None:
            self._member.read_barrier(lambda error: self._compare(call, request, error))

    def _compare(self, call: ServiceCall, request: pb.AuthenticateRequest, error: EtcdError | None) -> None:
        try:
            if error is not None:
                raise error
            hashed = self._auth.password_hash(request.name)
        except EtcdError as refusal:
            call.fail(*status_of(refusal))
            return
        revision, password = self._auth.revision, request.password

        def compared(is_right: bool) -> None:
            if not is_right:
                call.fail(*status_of(AuthFailedError()))
            elif revision != self._auth.revision:
                self._compare(call, request, None)
            else:
                self._give_token(call, request.name, revision)

        self._offload(lambda: check_password(password, hashed), compared)

    def _give_token(self, call: ServiceCall, name: str, revision: int) -> None:
        tokens = self._tokens
        if isinstance(tokens, JwtTokens):
            token = tokens.sign(name, revision)
            if token is None:  # etcd's words: this member can only verify
                call.fail(*status_of(InvalidAuthTokenError()))
            else:
                body = pb.AuthenticateResponse(token=token).SerializeToString()
                self._answer(call, Applied(self._member.store.revision), body)
            return
        prefix = tokens.new_prefix()
        entry = pb.AuthenticateRequest(name=name, password=prefix)

        def done(applied: Applied) -> None:
            body = pb.AuthenticateResponse(token=tokens.complete(prefix)).SerializeToString()
            self._answer(call, applied, body)

        self._member.propose(ops.AUTHENTICATE, entry.SerializeToString(), done, entry)

    # ---- looks ----

    def _look(
        self, message: Any, need: Callable[[Identity, Any], None], look: Callable[[Any], bytes]
    ) -> Callable[[ServiceCall, bytes], None]:
        """A handler that answers with look(request), after a barrier, to those whom need(who, request) lets."""

        def handle(call: ServiceCall, payload: bytes) -> None:
            request = decode_unary(message, payload, call, self._member)
            if request is not None:
                self._member.read_barrier(lambda error: answer(call, request, error))

        def answer(call: ServiceCall, request: Any, error: EtcdError | None) -> None:
            try:
                if error is not None:
                    raise error
                if self._auth.is_enabled:
                    need(self._access.who(call), request)
                body = look(request)
            except EtcdError as refusal:
                call.fail(*status_of(refusal))
                return
            call.reply(self._member.header(self._member.store.revision), body)

        return handle

    def _need_admin(self, who: Identity, request: Any) -> None:
        self._auth.check_admin(who)

    def _need_that_user(self, who: Identity, request: pb.AuthUserGetRequest) -> None:
        if who.user != request.name or not who.user:
            self._auth.check_admin(who)

    def _need_that_role(self, who: Identity, request: pb.AuthRoleGetRequest) -> None:
        try:
            self._auth.check_admin(who)
        except PermissionDeniedError:
            if not self._auth.has_role(who.user, request.role):
                raise

    def _status(self, request: pb.AuthStatusRequest) -> bytes:
        response = pb.AuthStatusResponse(enabled=self._auth.is_enabled, authRevision=self._auth.revision)
        return response.SerializeToString()

    def _user_get(self, request: pb.AuthUserGetRequest) -> bytes:
        return pb.AuthUserGetResponse(roles=self._auth.user(request.name).roles).SerializeToString()

    def _user_list(self, request: pb.AuthUserListRequest) -> bytes:
        return pb.AuthUserListResponse(users=self._auth.user_names()).SerializeToString()

    def _role_get(self, request: pb.AuthRoleGetRequest) -> bytes:
        granted = self._auth.permissions(request.role)
        perms = [pb.Permission(permType=type, key=key, range_end=end) for type, key, end in granted]
        return pb.AuthRoleGetResponse(perm=perms).SerializeToString()

    def _role_list(self, request: pb.AuthRoleListRequest) -> bytes:
        return pb.AuthRoleListResponse(roles=self._auth.role_names()).SerializeToString()
