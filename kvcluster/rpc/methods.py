"""The table: path → method. What both transports serve.

`RpcServices.methods` is the table; `tick` is to be called with every tick of the member.
"""

from __future__ import annotations

from kvcluster.member import Member
from kvcluster.rpc.cluster import ClusterService
from kvcluster.rpc.kv import KvService
from kvcluster.rpc.lease import LeaseService
from kvcluster.rpc.maintenance import MaintenanceService
from kvcluster.rpc.quota import Quota
from kvcluster.rpc.unimplemented import all_rpcs
from kvcluster.rpc.watch import WatchService
from kvcluster.wire import BIDI, UNARY, Method

MAX_TXN_OPS = 128
PROGRESS_INTERVAL_S = 600.0
GRPC_OVERHEAD_BYTES = 512 * 1024


class RpcServices:
    """The services of one member."""

    def __init__(
        self,
        member: Member,
        *,
        max_txn_ops: int = MAX_TXN_OPS,
        progress_interval_s: float = PROGRESS_INTERVAL_S,
        quota_bytes: int = 0,
    ) -> None:
        """quota_bytes: etcd's --quota-backend-bytes; 0: none."""
        self._quota = Quota(member, quota_bytes)
        kv = KvService(member, max_txn_ops, self._quota)
        lease = LeaseService(member, self._quota)
        cluster = ClusterService(member)
        maintenance = MaintenanceService(member)
        self._watch = WatchService(
            member,
            progress_ticks=max(round(progress_interval_s * 1000 / member.config.tick_ms), 1),
            max_response_bytes=member.config.max_request_bytes + GRPC_OVERHEAD_BYTES,
        )
        self.methods: dict[bytes, Method] = all_rpcs() | {
            b"/etcdserverpb.KV/Range": Method(UNARY, kv.range),
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
            b"/etcdserverpb.Cluster/MemberList": Method(UNARY, cluster.member_list),
            b"/etcdserverpb.Maintenance/Status": Method(UNARY, maintenance.status),
            b"/etcdserverpb.Maintenance/Alarm": Method(UNARY, maintenance.alarm),
            b"/etcdserverpb.Maintenance/MoveLeader": Method(UNARY, maintenance.move_leader),
            b"/etcdserverpb.Maintenance/Defragment": Method(UNARY, maintenance.defragment),
            b"/etcdserverpb.Maintenance/Hash": Method(UNARY, maintenance.hash),
            b"/etcdserverpb.Maintenance/HashKV": Method(UNARY, maintenance.hash_kv),
        }

    def tick(self) -> None:
        self._quota.tick()
        self._watch.tick()
