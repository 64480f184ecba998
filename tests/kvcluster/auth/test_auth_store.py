"""Users, roles and permissions, by rule; and key ranges against a model that looks at every key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster import errors
from kvcluster.auth import NOBODY, READ, READWRITE, ROOT, SYSTEM, WRITE, AuthStore, Identity, KeyRanges, Permission


@pytest.fixture
def auth() -> AuthStore:
    """Enabled, with root, and alice who may read and write [a, b), read x, and write from y on."""
    store = AuthStore()
    store.add_user(ROOT, b"hash")
    store.grant_role(ROOT, ROOT)
    store.add_user("alice", b"hash of alice")
    store.add_role("writer")
    store.grant_permission("writer", Permission(READWRITE, b"a", b"b"))
    store.grant_permission("writer", Permission(READ, b"x", b""))
    store.grant_permission("writer", Permission(WRITE, b"y", b"\0"))
    store.grant_role("alice", "writer")
    store.enable()
    return store


def alice_of(auth: AuthStore) -> Identity:
    return Identity("alice", auth.revision)


def test_everybody_may_do_everything_until_it_is_enabled() -> None:
    store = AuthStore()
    store.check_put(NOBODY, b"a")
    store.check_admin(NOBODY)
    with pytest.raises(errors.AuthNotEnabledError):
        store.password_hash("root")


def test_enabling_needs_a_root_who_may_everything() -> None:
    store = AuthStore()
    with pytest.raises(errors.RootUserNotExistError):
        store.enable()
    store.add_user(ROOT, b"hash")
    with pytest.raises(errors.RootRoleNotExistError):
        store.enable()
    store.grant_role(ROOT, ROOT)  # the role need not be there
    told: list[int] = []
    store.on_enabled.append(lambda: told.append(1))
    before = store.revision
    store.enable()
    store.enable()
    assert (store.is_enabled, store.revision, told) == (True, before, [1])


@pytest.mark.parametrize(
    ("who", "error"),
    [
        (NOBODY, errors.UserEmptyError),
        (Identity("alice", 1), errors.AuthOldRevisionError),
        (Identity("gone", 1 << 60), errors.PermissionDeniedError),
        (SYSTEM, None),
    ],
)
def test_who_asks(auth: AuthStore, who: Identity, error: type[Exception] | None) -> None:
    if error is None:
        auth.check_put(who, b"q", b"\0")
    else:
        with pytest.raises(error):
            auth.check_put(who, b"q")


@pytest.mark.parametrize(
    ("check", "key", "end", "may"),
    [
        ("check_range", b"a", b"", True),
        ("check_range", b"a", b"b", True),
        ("check_range", b"a", b"c", False),
        ("check_range", b"a", b"\0", False),
        ("check_range", b"b", b"", False),
        ("check_range", b"x", b"", True),
        ("check_put", b"x", b"", False),
        ("check_put", b"y", b"\0", True),
        ("check_put", b"zz", b"\0", True),
        ("check_range", b"y", b"", False),
    ],
)
def test_what_a_role_lets(auth: AuthStore, check: str, key: bytes, end: bytes, may: bool) -> None:
    if may:
        getattr(auth, check)(alice_of(auth), key, end)
    else:
        with pytest.raises(errors.PermissionDeniedError):
            getattr(auth, check)(alice_of(auth), key, end)


def test_permissions_follow_their_changes(auth: AuthStore) -> None:
    auth.check_range(alice_of(auth), b"a")
    auth.revoke_permission("writer", b"a", b"b")
    with pytest.raises(errors.PermissionDeniedError):
        auth.check_range(alice_of(auth), b"a")
    auth.grant_permission("writer", Permission(READ, b"a", b""))
    auth.check_range(alice_of(auth), b"a")
    auth.delete_role("writer")
    assert auth.user("alice").roles == []
    with pytest.raises(errors.PermissionDeniedError):
        auth.check_range(alice_of(auth), b"a")


def test_roles_cover_a_range_together(auth: AuthStore) -> None:
    auth.add_role("more")
    auth.grant_permission("more", Permission(READ, b"b", b"c"))
    auth.grant_role("alice", "more")
    auth.check_range(alice_of(auth), b"a", b"c")


REFUSALS: list[tuple[str, tuple[Any, ...], type[Exception]]] = [
    ("add_user", ("", b""), errors.UserEmptyError),
    ("add_user", ("alice", b""), errors.UserAlreadyExistsError),
    ("delete_user", ("nobody",), errors.UserNotFoundError),
    ("delete_user", (ROOT,), errors.InvalidAuthManagementError),
    ("change_password", ("nobody", b""), errors.UserNotFoundError),
    ("grant_role", ("nobody", "writer"), errors.UserNotFoundError),
    ("grant_role", ("alice", "nothing"), errors.RoleNotFoundError),
    ("revoke_role", ("alice", "nothing"), errors.RoleNotGrantedError),
    ("revoke_role", (ROOT, ROOT), errors.InvalidAuthManagementError),
    ("add_role", ("",), errors.RoleEmptyError),
    ("add_role", ("writer",), errors.RoleAlreadyExistsError),
    ("delete_role", ("nothing",), errors.RoleNotFoundError),
    ("delete_role", (ROOT,), errors.InvalidAuthManagementError),
    ("grant_permission", ("nothing", Permission(READ, b"a", b"")), errors.RoleNotFoundError),
    ("revoke_permission", ("nothing", b"a", b""), errors.RoleNotFoundError),
    ("revoke_permission", ("writer", b"q", b""), errors.PermissionNotGrantedError),
    ("permissions", ("nothing",), errors.RoleNotFoundError),
    ("add_token", ("nobody", "t"), errors.AuthFailedError),
]


@pytest.mark.parametrize(("method", "arguments", "error"), REFUSALS)
def test_a_refusal_changes_nothing(
    auth: AuthStore, method: str, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    before = auth.to_json()
    with pytest.raises(error):
        getattr(auth, method)(*arguments)
    assert auth.to_json() == before


def test_granting_twice_is_no_change(auth: AuthStore) -> None:
    before = auth.revision
    auth.grant_role("alice", "writer")
    assert auth.revision == before


def test_a_user_without_a_password_cannot_try_one(auth: AuthStore) -> None:
    auth.add_user("cert", b"ignored", no_password=True)
    auth.change_password("cert", b"ignored too")
    with pytest.raises(errors.NoPasswordUserError):
        auth.password_hash("cert")


def test_tokens_end_with_the_password_the_user_and_authentication(auth: AuthStore) -> None:
    for token in ("t1", "t2"):
        auth.add_token("alice", token)
    auth.add_token(ROOT, "r")
    auth.change_password("alice", b"new")
    assert auth.tokens == {"r": ROOT}
    auth.add_token("alice", "t3")
    auth.delete_user("alice")
    assert auth.tokens == {"r": ROOT}
    auth.disable()
    assert auth.tokens == {}


def test_a_snapshot_holds_all_but_the_tokens(auth: AuthStore) -> None:
    auth.add_token("alice", "t")
    copy = AuthStore()
    told: list[int] = []
    copy.on_enabled.append(lambda: told.append(1))
    copy.load_json(auth.to_json())
    assert (copy.to_json(), copy.tokens, told) == (auth.to_json(), {}, [1])
    copy.check_range(alice_of(copy), b"a", b"b")


@pytest.mark.parametrize("value", [{}, {"enabled": True, "revision": "x", "users": [], "roles": []}, {"users": 3}])
def test_a_bad_snapshot_changes_nothing(auth: AuthStore, value: dict[str, Any]) -> None:
    before = auth.to_json()
    with pytest.raises((ValueError, KeyError, TypeError)):
        auth.load_json(value)
    assert auth.to_json() == before


KEYS = [bytes([first]) + rest for first in b"abcd" for rest in (b"", b"\0", b"m")]
some_key = st.sampled_from(KEYS)
some_end = st.one_of(st.just(b""), st.just(b"\0"), some_key)


def held(key: bytes, end: bytes) -> list[bytes]:
    if not end:
        return [key]
    return [each for each in KEYS if each >= key and (end == b"\0" or each < end)]


@given(st.lists(st.tuples(some_key, some_end), max_size=5), some_key, some_end)
def test_ranges_cover_what_a_model_covers(ranges: list[tuple[bytes, bytes]], key: bytes, end: bytes) -> None:
    """Whatever `cover` lets, every key of it is in some range; a single key is covered exactly if it is in one."""
    covers = KeyRanges(ranges).cover(key, end)
    in_some = {each for each in KEYS if any(each in held(*each_range) for each_range in ranges)}
    if covers:
        assert set(held(key, end)) <= in_some
    if not end:
        assert covers == (key in in_some)
