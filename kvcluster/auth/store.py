"""Users, roles and permissions: replicated state, changed only by applied entries, the same on every member.

    disabled ──enable (user root holds role root)──▶ enabled ──disable──▶ disabled      no checks while disabled

Each change makes a new `revision`, which starts at 1. A request carries the revision that its token was given out at: where that
is older than the store's, the request is refused ("revision of auth store is old") and the client asks for a new token. So what
was checked against old permissions is never done under new ones.

`tokens` are the simple tokens that were given out: every member learns of them from the log, none writes them into its snapshots
(as in etcd), and each forgets those it has not seen used (kvcluster/rpc/tokens.py).

Passwords come in as hashes, made before the log; nothing here can tell a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kvcluster.auth.ranges import END_OF_KEYS, KeyRanges
from kvcluster.errors import (
    AuthFailedError,
    AuthNotEnabledError,
    AuthOldRevisionError,
    InvalidAuthManagementError,
    NoPasswordUserError,
    PermissionDeniedError,
    PermissionNotGrantedError,
    RoleAlreadyExistsError,
    RoleEmptyError,
    RoleNotFoundError,
    RoleNotGrantedError,
    RootRoleNotExistError,
    RootUserNotExistError,
    UserAlreadyExistsError,
    UserEmptyError,
    UserNotFoundError,
)

ROOT = "root"
"""The user that must exist, and the role that may do everything."""

READ, WRITE, READWRITE = 0, 1, 2
"""Permission.Type"""


class Identity(NamedTuple):
    """Who asks. revision: the auth revision of the token; 0 for nobody."""

    user: str
    revision: int


NOBODY = Identity("", 0)
SYSTEM = Identity(ROOT, 1 << 62)
"""The server itself: revoking expired leases, compacting, clients embedded in the same process."""


class User:
    """`password_hash` is empty for a user who only comes with a client certificate."""

    __slots__ = ("name", "password_hash", "roles", "no_password")

    def __init__(self, name: str, password_hash: bytes, no_password: bool, roles: Iterable[str] = ()) -> None:
        self.name = name
        self.password_hash = password_hash
        self.no_password = no_password
        self.roles = sorted(roles)

    def __repr__(self) -> str:
        return f"User({self.name!r}, roles={self.roles})"


class Permission(NamedTuple):
    """type: READ, WRITE or READWRITE. range_end: empty for one key, b"\\0" for no end."""

    type: int
    key: bytes
    range_end: bytes


_Role = dict[tuple[bytes, bytes], int]
"""(key, range_end) → permission type"""


class AuthStore:
    """See the module. Methods that change something raise what etcd answers, and have changed nothing then."""

    __slots__ = ("is_enabled", "revision", "tokens", "on_enabled", "_users", "_roles", "_reads", "_writes")

    def __init__(self) -> None:
        self.is_enabled = False
        self.revision = 1
        self.tokens: dict[str, str] = {}
        """Simple tokens → user."""
        self.on_enabled: list[Callable[[], object]] = []
        """Called when authentication is switched on, also by a snapshot."""
        self._users: dict[str, User] = {}
        self._roles: dict[str, _Role] = {}
        self._reads: dict[str, KeyRanges] = {}  # by user, made when asked for
        self._writes: dict[str, KeyRanges] = {}

    def _changed(self) -> None:
        self.revision += 1
        self._reads.clear()
        self._writes.clear()

    # ---- the switch ----

    def enable(self) -> None:
        """Raises RootUserNotExistError, RootRoleNotExistError. Nothing happens where it is on already."""
        if self.is_enabled:
            return
        root = self._users.get(ROOT)
        if root is None:
            raise RootUserNotExistError
        if ROOT not in root.roles:
            raise RootRoleNotExistError
        self.is_enabled = True
        for tell in self.on_enabled:
            tell()

    def disable(self) -> None:
        """Ends all tokens."""
        if self.is_enabled:
            self.is_enabled = False
            self.tokens.clear()
            self._changed()

    # ---- users ----

    def user(self, name: str) -> User:
        """Raises UserNotFoundError."""
        user = self._users.get(name)
        if user is None:
            raise UserNotFoundError
        return user

    def user_names(self) -> list[str]:
        return sorted(self._users)

    def add_user(self, name: str, password_hash: bytes, *, no_password: bool = False) -> None:
        """Raises UserEmptyError, UserAlreadyExistsError."""
        if not name:
            raise UserEmptyError
        if name in self._users:
            raise UserAlreadyExistsError
        self._users[name] = User(name, b"" if no_password else password_hash, no_password)
        self._changed()

    def delete_user(self, name: str) -> None:
        """Raises InvalidAuthManagementError for root while enabled, UserNotFoundError."""
        if self.is_enabled and name == ROOT:
            raise InvalidAuthManagementError
        self.user(name)
        del self._users[name]
        self._changed()
        self._end_tokens(name)

    def change_password(self, name: str, password_hash: bytes) -> None:
        """Ends the user's tokens. Raises UserNotFoundError."""
        user = self.user(name)
        user.password_hash = b"" if user.no_password else password_hash
        self._changed()
        self._end_tokens(name)

    def grant_role(self, name: str, role: str) -> None:
        """Raises UserNotFoundError, RoleNotFoundError. Granted already: nothing changes."""
        user = self.user(name)
        if role != ROOT and role not in self._roles:
            raise RoleNotFoundError
        if role not in user.roles:
            user.roles = sorted((*user.roles, role))
            self._changed()

    def revoke_role(self, name: str, role: str) -> None:
        """Raises InvalidAuthManagementError for root's root while enabled, UserNotFoundError, RoleNotGrantedError."""
        if self.is_enabled and name == role == ROOT:
            raise InvalidAuthManagementError
        user = self.user(name)
        if role not in user.roles:
            raise RoleNotGrantedError
        user.roles.remove(role)
        self._changed()

    def _end_tokens(self, name: str) -> None:
        for token in [token for token, user in self.tokens.items() if user == name]:
            del self.tokens[token]

    # ---- roles ----

    def permissions(self, role: str) -> list[Permission]:
        """By key. Role root has one, on everything. Raises RoleNotFoundError."""
        granted = self._role(role)
        if role == ROOT:
            return [Permission(READWRITE, b"", END_OF_KEYS)]
        return [Permission(type, key, end) for (key, end), type in granted.items()]

    def _role(self, name: str) -> _Role:
        role = self._roles.get(name)
        if role is None:
            raise RoleNotFoundError
        return role

    def role_names(self) -> list[str]:
        return sorted(self._roles)

    def add_role(self, name: str) -> None:
        """Raises RoleEmptyError, RoleAlreadyExistsError."""
        if not name:
            raise RoleEmptyError
        if name in self._roles:
            raise RoleAlreadyExistsError
        self._roles[name] = {}
        self._changed()

    def delete_role(self, name: str) -> None:
        """Takes it from its users too. Raises InvalidAuthManagementError for root while enabled, RoleNotFoundError."""
        if self.is_enabled and name == ROOT:
            raise InvalidAuthManagementError
        self._role(name)
        del self._roles[name]
        for user in self._users.values():
            if name in user.roles:
                user.roles.remove(name)
        self._changed()

    def grant_permission(self, role: str, permission: Permission) -> None:
        """Replaces the type where the role has that very range. Raises RoleNotFoundError."""
        granted = self._role(role)
        granted[permission.key, permission.range_end] = permission.type
        self._roles[role] = dict(sorted(granted.items(), key=lambda item: item[0][0]))
        self._changed()

    def revoke_permission(self, role: str, key: bytes, range_end: bytes) -> None:
        """Raises RoleNotFoundError, PermissionNotGrantedError."""
        granted = self._role(role)
        if granted.pop((key, range_end), None) is None:
            raise PermissionNotGrantedError
        self._changed()

    # ---- who is it ----

    def password_hash(self, name: str) -> bytes:
        """What a password is compared with. Raises AuthNotEnabledError, AuthFailedError, NoPasswordUserError."""
        if not self.is_enabled:
            raise AuthNotEnabledError
        user = self._users.get(name)
        if user is None:
            raise AuthFailedError
        if user.no_password:
            raise NoPasswordUserError
        return user.password_hash

    def add_token(self, name: str, token: str) -> None:
        """Raises AuthNotEnabledError, AuthFailedError."""
        self.password_hash(name)
        self.tokens[token] = name

    # ---- may they ----

    def check_range(self, who: Identity, key: bytes, range_end: bytes = b"") -> None:
        """Whether `who` may read it. Raises UserEmptyError, AuthOldRevisionError, PermissionDeniedError."""
        self._check(who, key, range_end, READ, self._reads)

    def check_put(self, who: Identity, key: bytes, range_end: bytes = b"") -> None:
        """Whether `who` may write or delete it. Raises as check_range."""
        self._check(who, key, range_end, WRITE, self._writes)

    def check_authenticated(self, who: Identity) -> None:
        """Raises UserEmptyError for nobody."""
        if self.is_enabled and not who.user:
            raise UserEmptyError

    def check_admin(self, who: Identity) -> None:
        """Raises UserEmptyError, PermissionDeniedError."""
        if not self.is_enabled:
            return
        if not who.user:
            raise UserEmptyError
        if not self._is_root(who.user):
            raise PermissionDeniedError

    def has_role(self, name: str, role: str) -> bool:
        user = self._users.get(name)
        return user is not None and role in user.roles

    def _is_root(self, name: str) -> bool:
        return self.has_role(name, ROOT)

    def _check(self, who: Identity, key: bytes, range_end: bytes, type: int, cache: dict[str, KeyRanges]) -> None:
        if not self.is_enabled:
            return
        if not who.revision:
            raise UserEmptyError
        if who.revision < self.revision:
            raise AuthOldRevisionError
        if self._is_root(who.user):
            return
        ranges = cache.get(who.user)
        if ranges is None:
            user = self._users.get(who.user)
            if user is None:
                raise PermissionDeniedError
            ranges = cache[who.user] = KeyRanges(
                each
                for role in user.roles
                for each, granted in self._roles.get(role, {}).items()
                if granted in (type, READWRITE)
            )
        if not ranges.cover(key, range_end):
            raise PermissionDeniedError

    # ---- snapshots ----

    def to_json(self) -> dict[str, Any]:
        """All of it but the tokens, in JSON's types; equal stores give equal values."""
        return {
            "enabled": self.is_enabled,
            "revision": self.revision,
            "users": [
                [user.name, user.password_hash.hex(), user.no_password, user.roles]
                for _, user in sorted(self._users.items())
            ],
            "roles": [
                [name, [[type, key.hex(), end.hex()] for (key, end), type in role.items()]]
                for name, role in sorted(self._roles.items())
            ],
        }

    def load_json(self, value: dict[str, Any]) -> None:
        """Becomes what `to_json` gave. Raises ValueError, KeyError, TypeError for what it never gives, and is unchanged then."""
        users = {
            name: User(name, bytes.fromhex(password_hash), bool(no_password), roles)
            for name, password_hash, no_password, roles in value["users"]
        }
        roles = {
            name: {(bytes.fromhex(key), bytes.fromhex(end)): int(type) for type, key, end in permissions}
            for name, permissions in value["roles"]
        }
        was_enabled = self.is_enabled
        self.is_enabled, self.revision = bool(value["enabled"]), int(value["revision"])
        self._users, self._roles = users, roles
        self._reads.clear()
        self._writes.clear()
        if not self.is_enabled:
            self.tokens.clear()
        elif not was_enabled:
            for tell in self.on_enabled:
                tell()
