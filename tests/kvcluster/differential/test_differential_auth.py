"""Random users, roles and permissions on a real etcd 3.5.1 and on ours, with auth on: who may do what, in which words.

Left out, because 3.5.1 lets pass what later versions refuse: nested transactions, puts in transactions that attach a lease or ask
for the previous value, permissions on nothing or on ranges that end before they begin, and calls without a token to what is not
about keys; and two permissions of a role that begin at the same key, of which 3.5.1 may keep copies.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvcluster import pb
from tests.kvcluster.differential.sides import Wire, dial, etcd_binary, serving

pytestmark = pytest.mark.skipif(etcd_binary() is None, reason="there is no etcd to compare with")

OPERATIONS = 3000
USERS, ROLES = ("root", "u1", "u2", "u3"), ("root", "r1", "r2")
KEYS = (b"a", b"b", b"c", b"c1", b"d")
ENDS = (b"", b"", b"b", b"c", b"d", b"e", b"\0")

PERMISSION_ENDS = {b"a": b"c", b"b": b"", b"c": b"\0", b"c1": b"d", b"d": b""}

Step = tuple[str, Any, str | None]
"""RPC, request, and whose token it comes with; a name of no user: a token that is none; None: without."""


class Side:
    """One server, and the tokens it has given out."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._tokens: dict[str, str] = {}

    async def ask(self, name: str, request: Any, who: str | None = None) -> Any:
        metadata = {} if who is None else {"token": self._tokens.get(who, "nobody's")}
        service = "KV" if name in ("Range", "Put", "DeleteRange", "Txn") else "Auth"
        outcome = await self._wire.call(f"/etcdserverpb.{service}/{name}", request.SerializeToString(), metadata)
        if not outcome.ok:
            return outcome.code, outcome.text
        response = getattr(pb, type(request).__name__.replace("Request", "Response")).FromString(outcome.payload)
        response.ClearField("header")
        if name == "RoleGet":  # etcd sorts by key, and what ties comes in any order
            return sorted((perm.key, perm.range_end, perm.permType) for perm in response.perm)
        if name == "Authenticate":
            self._tokens[request.name] = response.token
            return "a token"
        return response


def steps(seed: int) -> Iterator[Step]:
    dice = random.Random(seed)
    pick = dice.choice
    yield "UserAdd", pb.AuthUserAddRequest(name="root", password="root"), None
    yield "UserGrantRole", pb.AuthUserGrantRoleRequest(user="root", role="root"), None
    yield "AuthEnable", pb.AuthEnableRequest(), None
    yield "Authenticate", pb.AuthenticateRequest(name="root", password="root"), None
    for _ in range(OPERATIONS):
        user, role = pick(USERS), pick(ROLES)
        key, end = pick(KEYS), pick(ENDS)
        if end not in (b"", b"\0") and end <= key:
            end = b""
        who = dice.choices(("root", pick(USERS), "stranger", None), (2, 10, 0.5, 0.5))[0]
        admin = "root" if dice.random() < 0.9 else who
        perm = pb.Permission(permType=pick((0, 1, 2)), key=key, range_end=PERMISSION_ENDS[key])
        options = pb.UserAddOptions(no_password=dice.random() < 0.1)
        compare = pb.Compare(key=key, target=pb.Compare.VERSION, result=pick((0, 1)), version=1)
        ops = [
            pb.RequestOp(request_range=pb.RangeRequest(key=key, range_end=end)),
            pb.RequestOp(request_put=pb.PutRequest(key=key, value=b"t")),
            pb.RequestOp(
                request_delete_range=pb.DeleteRangeRequest(key=key, range_end=end, prev_kv=dice.random() < 0.3)
            ),
        ]
        yield dice.choices(
            [
                ("Range", pb.RangeRequest(key=key, range_end=end, serializable=dice.random() < 0.3), who),
                ("Put", pb.PutRequest(key=key, value=b"v", prev_kv=dice.random() < 0.3), who),
                ("DeleteRange", pb.DeleteRangeRequest(key=key, range_end=end, prev_kv=dice.random() < 0.3), who),
                ("Txn", pb.TxnRequest(compare=[compare], success=[pick(ops)], failure=[pick(ops)]), who),
                ("Authenticate", pb.AuthenticateRequest(name=user, password=pick((user, user, user, "wrong"))), None),
                ("UserAdd", pb.AuthUserAddRequest(name=user, password=user, options=options), admin),
                ("UserDelete", pb.AuthUserDeleteRequest(name=user), admin),
                ("UserChangePassword", pb.AuthUserChangePasswordRequest(name=user, password=user), admin),
                ("UserGrantRole", pb.AuthUserGrantRoleRequest(user=user, role=role), admin),
                ("UserRevokeRole", pb.AuthUserRevokeRoleRequest(name=user, role=role), admin),
                ("UserGet", pb.AuthUserGetRequest(name=user), who),
                ("UserList", pb.AuthUserListRequest(), who),
                ("RoleAdd", pb.AuthRoleAddRequest(name=pick(("r1", "r2"))), admin),
                ("RoleDelete", pb.AuthRoleDeleteRequest(role=role), admin),
                ("RoleGet", pb.AuthRoleGetRequest(role=role), who),
                ("RoleList", pb.AuthRoleListRequest(), who),
                ("RoleGrantPermission", pb.AuthRoleGrantPermissionRequest(name=role, perm=perm), admin),
                (
                    "RoleRevokePermission",
                    pb.AuthRoleRevokePermissionRequest(role=role, key=key, range_end=perm.range_end),
                    admin,
                ),
                ("AuthStatus", pb.AuthStatusRequest(), who),
            ],
            (20, 20, 6, 12, 12, 4, 0.7, 0.5, 5, 1, 2, 1, 3, 0.7, 2, 1, 8, 2, 2),
        )[0]


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_difference(tmp_path: Path, seed: int):
    async with serving("etcd", tmp_path) as etcd, serving("native", tmp_path) as ours:
        sides = [Side(wire) for wire in await asyncio.gather(dial(etcd), dial(ours))]
        for number, (name, request, who) in enumerate(steps(seed)):
            theirs, own = await asyncio.gather(*(side.ask(name, request, who) for side in sides))
            assert theirs == own, f"seed {seed}, step {number}: {name} {request} as {who}"
