"""The Auth service, and what the other services ask of it, on one member without a transport.

Compared with a real etcd in tests/kvcluster/differential; this is about ours: who is let in where, and what never happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.errors import ConfigError
from kvcluster.rpc import AuthOptions

INVALID, PRECONDITION, DENIED, UNAUTHENTICATED = 3, 9, 7, 16
EMPTY = (INVALID, "etcdserver: user name is empty")
BAD_TOKEN = (UNAUTHENTICATED, "etcdserver: invalid auth token")
NOT_ALLOWED = (DENIED, "etcdserver: permission denied")
FAILED = (INVALID, "etcdserver: authentication failed, invalid user ID or password")


def set_up(bench: Any) -> None:
    """root with role root; alice who may read and write [a, b) and write [w, x)."""
    for request in (
        ("UserAdd", pb.AuthUserAddRequest(name="root", password="r")),
        ("UserGrantRole", pb.AuthUserGrantRoleRequest(user="root", role="root")),
        ("UserAdd", pb.AuthUserAddRequest(name="alice", password="a")),
        ("RoleAdd", pb.AuthRoleAddRequest(name="some")),
        ("RoleGrantPermission", grant("some", b"a", b"b", pb.Permission.READWRITE)),
        ("RoleGrantPermission", grant("some", b"w", b"x", pb.Permission.WRITE)),
        ("UserGrantRole", pb.AuthUserGrantRoleRequest(user="alice", role="some")),
        ("AuthEnable", pb.AuthEnableRequest()),
    ):
        answer = ask(bench, *request)
        assert not isinstance(answer, tuple), answer


def grant(role: str, key: bytes, end: bytes, type: int) -> pb.AuthRoleGrantPermissionRequest:
    return pb.AuthRoleGrantPermissionRequest(name=role, perm=pb.Permission(permType=type, key=key, range_end=end))


def ask(bench: Any, name: str, request: Any, token: str | None = None) -> Any:
    path = name if "/" in name else f"Auth/{name}"
    return bench.ask(path, request, None if token is None else {"token": token})


def log_in(bench: Any, name: str, password: str) -> str:
    answer = ask(bench, "Authenticate", pb.AuthenticateRequest(name=name, password=password))
    assert not isinstance(answer, tuple), answer
    return str(answer.token)


@pytest.fixture
def guarded(make_bench: Any) -> Any:
    bench = make_bench(auth=AuthOptions(bcrypt_cost=4))
    set_up(bench)
    return bench


def test_a_password_gets_a_token(guarded: Any) -> None:
    token = log_in(guarded, "alice", "a")
    assert ask(guarded, "KV/Put", pb.PutRequest(key=b"a1", value=b"v"), token).header.revision == 2
    assert ask(guarded, "KV/Range", pb.RangeRequest(key=b"a1"), token).count == 1


@pytest.mark.parametrize(("name", "password"), [("alice", "b"), ("nobody", "a"), ("", ""), ("alice", "")])
def test_a_wrong_password_gets_none(guarded: Any, name: str, password: str) -> None:
    assert ask(guarded, "Authenticate", pb.AuthenticateRequest(name=name, password=password)) == FAILED


def test_a_password_never_enters_the_log(guarded: Any) -> None:
    ask(guarded, "UserAdd", pb.AuthUserAddRequest(name="bob", password="secret-bob"), log_in(guarded, "root", "r"))
    log_in(guarded, "bob", "secret-bob")
    entries = guarded.storage.entries(guarded.storage.first_index(), guarded.storage.last_index() + 1, 1 << 30)
    assert len(entries) > 10
    assert all(b"secret-bob" not in entry.data for entry in entries)


OPEN_TO_ALICE: list[tuple[str, Any]] = [
    ("KV/Range", pb.RangeRequest(key=b"a")),
    ("KV/Range", pb.RangeRequest(key=b"a", range_end=b"b", serializable=True)),
    ("KV/Put", pb.PutRequest(key=b"a1")),
    ("KV/Put", pb.PutRequest(key=b"w1")),
    ("KV/DeleteRange", pb.DeleteRangeRequest(key=b"a", range_end=b"b", prev_kv=True)),
    ("KV/Txn", pb.TxnRequest(compare=[pb.Compare(key=b"a")], success=[pb.RequestOp(request_put=pb.PutRequest(key=b"w"))])),
    ("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=7, TTL=60)),
    ("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=7, keys=True)),
    ("Lease/LeaseLeases", pb.LeaseLeasesRequest()),
    ("Cluster/MemberList", pb.MemberListRequest()),
    ("Maintenance/Status", pb.StatusRequest()),
    ("Maintenance/Alarm", pb.AlarmRequest()),
    ("Auth/UserGet", pb.AuthUserGetRequest(name="alice")),
    ("Auth/RoleGet", pb.AuthRoleGetRequest(role="some")),
]  # fmt: skip
CLOSED_TO_ALICE: list[tuple[str, Any]] = [
    ("KV/Range", pb.RangeRequest(key=b"a", range_end=b"c")),
    ("KV/Range", pb.RangeRequest(key=b"w")),
    ("KV/Put", pb.PutRequest(key=b"w1", prev_kv=True)),
    ("KV/Put", pb.PutRequest(key=b"q")),
    ("KV/DeleteRange", pb.DeleteRangeRequest(key=b"w", range_end=b"x", prev_kv=True)),
    ("KV/Txn", pb.TxnRequest(compare=[pb.Compare(key=b"w")])),
    ("KV/Txn", pb.TxnRequest(failure=[pb.RequestOp(request_put=pb.PutRequest(key=b"q"))])),
    ("KV/Txn", pb.TxnRequest(success=[pb.RequestOp(request_txn=pb.TxnRequest(
        failure=[pb.RequestOp(request_range=pb.RangeRequest(key=b"q"))]))])),
    ("KV/Compact", pb.CompactionRequest(revision=1)),
    ("Cluster/MemberAdd", pb.MemberAddRequest(peerURLs=["http://x:1"])),
    ("Maintenance/Alarm", pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE, alarm=1, memberID=1)),
    ("Maintenance/Defragment", pb.DefragmentRequest()),
    ("Maintenance/Hash", pb.HashRequest()),
    ("Maintenance/HashKV", pb.HashKVRequest()),
    ("Maintenance/MoveLeader", pb.MoveLeaderRequest(targetID=2)),
    ("Maintenance/Downgrade", pb.DowngradeRequest(version="3.4")),
    ("Auth/AuthStatus", pb.AuthStatusRequest()),
    ("Auth/AuthDisable", pb.AuthDisableRequest()),
    ("Auth/UserAdd", pb.AuthUserAddRequest(name="eve", password="e")),
    ("Auth/UserDelete", pb.AuthUserDeleteRequest(name="root")),
    ("Auth/UserChangePassword", pb.AuthUserChangePasswordRequest(name="root", password="x")),
    ("Auth/UserGrantRole", pb.AuthUserGrantRoleRequest(user="alice", role="root")),
    ("Auth/UserGet", pb.AuthUserGetRequest(name="root")),
    ("Auth/UserList", pb.AuthUserListRequest()),
    ("Auth/RoleAdd", pb.AuthRoleAddRequest(name="x")),
    ("Auth/RoleGet", pb.AuthRoleGetRequest(role="other")),
    ("Auth/RoleList", pb.AuthRoleListRequest()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "request_"), OPEN_TO_ALICE)
def test_open_to_a_user_but_not_to_nobody(guarded: Any, name: str, request_: Any) -> None:
    assert not isinstance(ask(guarded, name, request_, log_in(guarded, "alice", "a")), tuple)
    assert ask(guarded, name, request_) == EMPTY
    assert ask(guarded, name, request_, "abcdefghijklmnop.1") == BAD_TOKEN


@pytest.mark.parametrize(("name", "request_"), CLOSED_TO_ALICE)
def test_closed_to_a_user(guarded: Any, name: str, request_: Any) -> None:
    assert ask(guarded, name, request_, log_in(guarded, "alice", "a")) == NOT_ALLOWED
    assert ask(guarded, name, request_) == EMPTY


def test_a_key_of_another_lease_owner_cannot_be_deleted_with_the_lease(guarded: Any) -> None:
    root, alice = log_in(guarded, "root", "r"), log_in(guarded, "alice", "a")
    ask(guarded, "Lease/LeaseGrant", pb.LeaseGrantRequest(ID=7, TTL=60), root)
    ask(guarded, "KV/Put", pb.PutRequest(key=b"q", lease=7), root)
    assert ask(guarded, "Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=7), alice) == NOT_ALLOWED
    assert ask(guarded, "KV/Put", pb.PutRequest(key=b"a", lease=7), alice) == NOT_ALLOWED
    assert ask(guarded, "Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=7, keys=True), alice) == NOT_ALLOWED
    assert ask(guarded, "Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=7), alice).TTL == 60
    stream = guarded.keep_alive({"token": alice})
    stream.ask(pb.LeaseKeepAliveRequest(ID=7))
    assert stream.call.status == NOT_ALLOWED


def test_leases_still_expire(guarded: Any) -> None:
    root = log_in(guarded, "root", "r")
    ask(guarded, "Lease/LeaseGrant", pb.LeaseGrantRequest(ID=7, TTL=2), root)
    ask(guarded, "KV/Put", pb.PutRequest(key=b"q", lease=7), root)
    guarded.tick(30)
    assert ask(guarded, "KV/Range", pb.RangeRequest(key=b"q"), root).count == 0


@pytest.mark.parametrize(
    ("metadata", "key", "reason"),
    [
        ({}, b"a", "rpc error: code = InvalidArgument desc = etcdserver: user name is empty"),
        ({"token": "bad"}, b"a", "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"),
        ("alice", b"w", "rpc error: code = PermissionDenied desc = etcdserver: permission denied"),
        ("alice", b"a", ""),
    ],
)
def test_watches(guarded: Any, metadata: Any, key: bytes, reason: str) -> None:
    if metadata == "alice":
        metadata = {"authorization": "Bearer " + log_in(guarded, "alice", "a")}
    stream = guarded.watch(metadata)
    (answer,) = stream.create(key)
    assert (answer.created, answer.canceled, answer.cancel_reason) == (True, bool(reason), reason)
    assert answer.watch_id == (-1 if reason else 0)
    assert stream.call.is_active


def test_a_token_is_forgotten_when_nobody_uses_it(make_bench: Any) -> None:
    bench = make_bench(auth=AuthOptions(bcrypt_cost=4, token_ttl_s=10))
    set_up(bench)
    used, unused = log_in(bench, "alice", "a"), log_in(bench, "alice", "a")
    for _ in range(30):
        assert not isinstance(ask(bench, "KV/Range", pb.RangeRequest(key=b"a"), used), tuple)
        bench.tick(10)
    assert ask(bench, "KV/Range", pb.RangeRequest(key=b"a"), unused) == BAD_TOKEN
    assert list(bench.member.auth.tokens.values()) == ["alice"]


def test_a_changed_password_ends_the_tokens(guarded: Any) -> None:
    root, alice = log_in(guarded, "root", "r"), log_in(guarded, "alice", "a")
    ask(guarded, "UserChangePassword", pb.AuthUserChangePasswordRequest(name="alice", password="new"), root)
    assert ask(guarded, "KV/Range", pb.RangeRequest(key=b"a"), alice) == BAD_TOKEN
    assert ask(guarded, "Authenticate", pb.AuthenticateRequest(name="alice", password="a")) == FAILED
    log_in(guarded, "alice", "new")


def test_disabled_again_everybody_may_do_everything(guarded: Any) -> None:
    ask(guarded, "AuthDisable", pb.AuthDisableRequest(), log_in(guarded, "root", "r"))
    assert not isinstance(ask(guarded, "KV/Put", pb.PutRequest(key=b"q")), tuple)
    refused = ask(guarded, "Authenticate", pb.AuthenticateRequest(name="root", password="r"))
    assert refused == (PRECONDITION, "etcdserver: authentication is not enabled")


def test_a_certificates_name_is_a_user(make_bench: Any, make_call: Any) -> None:
    """But a token comes first, and the gateway's own certificate is nobody's."""
    bench = make_bench(auth=AuthOptions(bcrypt_cost=4, use_common_name=True))
    set_up(bench)

    def status(metadata: dict[str, str]) -> tuple[int, str]:
        call = make_call(metadata)
        call.common_name = "alice"
        request = pb.RangeRequest(key=b"a").SerializeToString()
        bench.services.methods[b"/etcdserverpb.KV/Range"].handler(call, request)
        bench.turn()
        assert call.status is not None
        return call.status

    assert status({})[0] == 0
    assert status({"token": "bad"}) == BAD_TOKEN
    assert status({"grpcgateway-accept": "*"}) == EMPTY


# ---- JSON web tokens ----


@pytest.fixture
def key_files(tmp_path: Any) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (tmp_path / "private.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "public.pem").write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "other.pem").write_bytes(other.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "garbage.pem").write_text("no key\n")
    return {name: str(tmp_path / f"{name}.pem") for name in ("private", "public", "other", "garbage")}


def test_signed_tokens(make_bench: Any, key_files: dict[str, str]) -> None:
    token_option = f"jwt,sign-method=ES256,priv-key={key_files['private']},pub-key={key_files['public']},ttl=10m"
    bench = make_bench(auth=AuthOptions(token=token_option, bcrypt_cost=4))
    set_up(bench)
    alice = log_in(bench, "alice", "a")
    assert alice.count(".") == 2
    assert ask(bench, "KV/Range", pb.RangeRequest(key=b"a"), alice).count == 0
    assert ask(bench, "KV/Range", pb.RangeRequest(key=b"q"), alice) == NOT_ALLOWED
    assert ask(bench, "KV/Range", pb.RangeRequest(key=b"a"), alice[:-3] + "AAA") == BAD_TOKEN
    ask(bench, "RoleAdd", pb.AuthRoleAddRequest(name="new"), log_in(bench, "root", "r"))
    old = (INVALID, "etcdserver: revision of auth store is old")
    assert ask(bench, "KV/Range", pb.RangeRequest(key=b"a"), alice) == old


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("paper", "neither simple nor jwt"),
        ("jwt", "sign-method must be one of"),
        ("jwt,sign-method=ES256", "needs pub-key or priv-key"),
        ("jwt,sign-method=ES256,color=red", "is none of"),
        ("jwt,sign-method=none,pub-key={public}", "sign-method must be one of"),
        ("jwt,sign-method=ES256,pub-key=/nowhere", "cannot read /nowhere"),
        ("jwt,sign-method=ES256,priv-key={private},pub-key={other}", "not that of priv-key"),
        ("jwt,sign-method=ES256,priv-key={garbage}", "no private key in PEM form"),
        ("jwt,sign-method=RS256,priv-key={private}", "these keys do not work"),
    ],
)
def test_keys_that_do_not_work_are_found_at_the_start(
    make_bench: Callable[..., Any], key_files: dict[str, str], option: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make_bench(auth=AuthOptions(token=option.format(**key_files)))
