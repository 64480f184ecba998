"""The table: path → method. What both transports serve.

`RpcServices.methods` is the table; `tick` is to be called with every tick of the member.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kvcluster.auth import Identity
from kvcluster.member import Member
from kvcluster.rpc.access import Access, need_admin, need_user
from kvcluster.rpc.auth import AuthService, Offload, run_inline
from kvcluster.rpc.cluster import ClusterService
from kvcluster.rpc.downgrade import DowngradeHandler
from kvcluster.rpc.election import ElectionService
from kvcluster.rpc.health import HEALTH_METHODS
from kvcluster.rpc.kv import KvService
from kvcluster.rpc.learner import restrict
from kvcluster.rpc.lease import LeaseService
from kvcluster.rpc.lock import LockService
from kvcluster.rpc.maintenance import MaintenanceService
from kvcluster.rpc.passwords import DEFAULT_COST
from kvcluster.rpc.quota import Quota
from kvcluster.rpc.range_stream import RangeStream
from kvcluster.rpc.recipe import Recipes
from kvcluster.rpc.reflection import REFLECTION_METHODS
from kvcluster.rpc.snapshot import SnapshotStream
from kvcluster.rpc.tokens import DEFAULT_TTL_S, build_tokens
from kvcluster.rpc.watch import WatchService
from kvcluster.wire import BIDI, SERVER_STREAM, UNARY, Method

MAX_TXN_OPS = 128
PROGRESS_INTERVAL_S = 600.0
GRPC_OVERHEAD_BYTES = 512 * 1024


class AuthOptions(NamedTuple):
    """token, token_ttl_s, bcrypt_cost: etcd's --auth-token, --auth-token-ttl and --bcrypt-cost. use_common_name: the name in
    a client's certificate is its user (--client-cert-auth)."""

    token: str = "simple"
    token_ttl_s: int = DEFAULT_TTL_S
    bcrypt_cost: int = DEFAULT_COST
    use_common_name: bool = False


_GUARDS: dict[bytes, Callable[[Access, Identity], None]] = {
    b"/etcdserverpb.Cluster/MemberAdd": need_admin,
    b"/etcdserverpb.Cluster/MemberRemove": need_admin,
    b"/etcdserverpb.Cluster/MemberUpdate": need_admin,
    b"/etcdserverpb.Cluster/MemberPromote": need_admin,
    b"/etcdserverpb.Cluster/MemberList": need_user,
    b"/etcdserverpb.Maintenance/Status": need_user,
    b"/etcdserverpb.Maintenance/Defragment": need_admin,
    b"/etcdserverpb.Maintenance/Hash": need_admin,
    b"/etcdserverpb.Maintenance/HashKV": need_admin,
    b"/etcdserverpb.Maintenance/MoveLeader": need_admin,
    b"/etcdserverpb.Maintenance/Downgrade": need_admin,
}
"""What is asked of whoever calls, where authentication is on; RPCs that are not here ask for themselves."""


class RpcServices:
    """The services of one member."""

    def __init__(
        self,
        member: Member,
        *,
        max_txn_ops: int = MAX_TXN_OPS,
        progress_interval_s: float = PROGRESS_INTERVAL_S,
        quota_bytes: int = 0,
        auth: AuthOptions = AuthOptions(),  # noqa: B008 - an immutable value
        offload: Offload = run_inline,
        trusts_callers: bool = False,
        is_up: Callable[[int], bool] = lambda member: True,
    ) -> None:
        """quota_bytes: etcd's --quota-backend-bytes; 0: none. trusts_callers: a call without a token is the server's own. is_up:
        whether this member is connected with another one.

        Raises ConfigError for keys of tokens that cannot be used.
        """
        self._quota = Quota(member, quota_bytes)
        self._tokens = build_tokens(member, auth.token, auth.token_ttl_s)
        access = Access(member, self._tokens, use_common_name=auth.use_common_name, trusts_callers=trusts_callers)
        kv = KvService(member, access, max_txn_ops, self._quota)
        lease = LeaseService(member, access, self._quota)
        users = AuthService(member, access, self._tokens, bcrypt_cost=auth.bcrypt_cost, offload=offload)
        cluster = ClusterService(member, is_up)
        maintenance = MaintenanceService(member, access, quota_bytes)
        self._recipes = Recipes(member, access)
        lock = LockService(member, self._recipes)
        election = ElectionService(member, self._recipes)
        self._watch = WatchService(
            member,
            access,
            progress_ticks=max(round(progress_interval_s * 1000 / member.config.tick_ms), 1),
            max_response_bytes=member.config.max_request_bytes + GRPC_OVERHEAD_BYTES,
        )
        self.methods: dict[bytes, Method] = {**HEALTH_METHODS, **REFLECTION_METHODS}
        """Path → method."""
        self.methods |= users.methods()
        self.methods |= {
            b"/etcdserverpb.KV/Range": Method(UNARY, kv.range),
            b"/etcdserverpb.KV/RangeStream": Method(SERVER_STREAM, lambda call: RangeStream(call, member, access)),
            b"/etcdserverpb.KV/Put": Method(UNARY, kv.put),
            b"/etcdserverpb.KV/DeleteRange": Method(UNARY, kv.delete_range),
            b"/etcdserverpb.KV/Txn": Method(UNARY, kv.txn),
            b"/etcdserverpb.KV/Compact": Method(UNARY, kv.compact),
            b"/etcdserverpb.Watch/Watch": Method(BIDI, self._watch.watch),
            b"/etcdserverpb.Lease/LeaseGrant": Method(UNARY, lease.grant),
            b"/etcdserverpb.Lease/LeaseRevoke": Method(UNARY, lease.revoke),
            b"/etcdserverpb.Lease/LeaseKeepAlive": Method(BIDI, lease.keep_alive),
            b"/etcdserverpb.Lease/LeaseTimeToLive": Method(UNARY, lease.time_to_live),
            b"/etcdserverpb.Lease/LeaseLeases": Method(UNARY, lease.leases),
            b"/etcdserverpb.Cluster/MemberAdd": Method(UNARY, cluster.member_add),
            b"/etcdserverpb.Cluster/MemberRemove": Method(UNARY, cluster.member_remove),
            b"/etcdserverpb.Cluster/MemberUpdate": Method(UNARY, cluster.member_update),
            b"/etcdserverpb.Cluster/MemberPromote": Method(UNARY, cluster.member_promote),
            b"/etcdserverpb.Cluster/MemberList": Method(UNARY, cluster.member_list),
            b"/etcdserverpb.Maintenance/Status": Method(UNARY, maintenance.status),
            b"/etcdserverpb.Maintenance/Alarm": Method(UNARY, maintenance.alarm),
            b"/etcdserverpb.Maintenance/MoveLeader": Method(UNARY, maintenance.move_leader),
            b"/etcdserverpb.Maintenance/Defragment": Method(UNARY, maintenance.defragment),
            b"/etcdserverpb.Maintenance/Hash": Method(UNARY, maintenance.hash),
            b"/etcdserverpb.Maintenance/HashKV": Method(UNARY, maintenance.hash_kv),
            b"/etcdserverpb.Maintenance/Snapshot": Method(
                SERVER_STREAM, lambda call: SnapshotStream(call, member, access)
            ),
            b"/etcdserverpb.Maintenance/Downgrade": Method(UNARY, DowngradeHandler(member)),
            b"/v3lockpb.Lock/Lock": Method(UNARY, lock.lock),
            b"/v3lockpb.Lock/Unlock": Method(UNARY, lock.unlock),
            b"/v3electionpb.Election/Campaign": Method(UNARY, election.campaign),
            b"/v3electionpb.Election/Proclaim": Method(UNARY, election.proclaim),
            b"/v3electionpb.Election/Resign": Method(UNARY, election.resign),
            b"/v3electionpb.Election/Leader": Method(UNARY, election.leader),
            b"/v3electionpb.Election/Observe": Method(SERVER_STREAM, election.observe),
        }
        for path, check in _GUARDS.items():
            method = self.methods[path]
            if method.kind == UNARY:
                self.methods[path] = Method(UNARY, access.guard(check, method.handler))

        self._member = member
        self._unrestricted = dict(self.methods)
        self._is_restricted = False
        member.on_membership.append(self._observe_membership)
        self._observe_membership()

    def _observe_membership(self) -> None:
        """The table is that of a learner as long as the member is one. It is changed in place: transports hold on to it."""
        if self._member.is_learner != self._is_restricted:
            self._is_restricted = not self._is_restricted
            self.methods.update(restrict(self._unrestricted) if self._is_restricted else self._unrestricted)

    def tick(self) -> None:
        self._quota.tick()
        self._tokens.tick()
        self._recipes.tick()
        self._watch.tick()
