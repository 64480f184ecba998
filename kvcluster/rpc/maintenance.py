"""The Maintenance service, as far as it goes: Status, Alarm, Hash, HashKV, MoveLeader, Defragment (nothing to do)."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.errors import EtcdError, NoLeaderError
from kvcluster.member import Applied, Member, alarms_body, ops
from kvcluster.rpc.access import Access
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.status import status_of
from kvcluster.rpc.version import CLUSTER_VERSION, SERVER_VERSION
from kvcluster.wire import ServiceCall


class MaintenanceService:
    __slots__ = ("_member", "_access", "_quota_bytes")

    def __init__(self, member: Member, access: Access, quota_bytes: int) -> None:
        self._member = member
        self._access = access
        self._quota_bytes = quota_bytes

    def _reply(self, call: ServiceCall, body: bytes) -> None:
        call.reply(self._member.header(self._member.store.revision), body)

    def status(self, call: ServiceCall, payload: bytes) -> None:
        if decode_unary(pb.StatusRequest, payload, call, self._member) is None:
            return
        member = self._member
        size_bytes = member.store.size_bytes
        response = pb.StatusResponse(
            version=SERVER_VERSION,
            dbSize=size_bytes,
            dbSizeInUse=size_bytes,
            leader=member.leader,
            raftIndex=member.commit_index,
            raftTerm=member.term,
            raftAppliedIndex=member.applied_index,
            isLearner=member.is_learner,
            storageVersion=CLUSTER_VERSION,
            dbSizeQuota=self._quota_bytes,
        )
        target = member.applier.state.downgrade_target
        if target:
            response.downgradeInfo.enabled, response.downgradeInfo.targetVersion = True, target
        if not member.leader:
            response.errors.append(str(NoLeaderError()))
        for kind, id in member.applier.state.alarms:
            response.errors.append(f"memberID:{id} alarm:{pb.AlarmType.Name(kind)} ")
        self._reply(call, response.SerializeToString())

    def alarm(self, call: ServiceCall, payload: bytes) -> None:
        """A list is this member's own; raising and disarming go through the log."""
        request = decode_unary(pb.AlarmRequest, payload, call, self._member)
        if request is None:
            return
        member = self._member

        def done(applied: Applied) -> None:
            if applied.error is None:
                self._reply(call, applied.body)
            else:
                call.fail(*status_of(applied.error))

        if request.action == pb.AlarmRequest.GET:
            alarms = member.applier.state.alarms
            body = alarms_body([each for each in alarms if request.alarm in (0, each[0])])
            self._access.check(call, self._access.auth.check_authenticated, lambda: self._reply(call, body))
        else:
            self._access.check(
                call, self._access.auth.check_admin, lambda: member.propose(ops.ALARM, payload, done, request)
            )

    def move_leader(self, call: ServiceCall, payload: bytes) -> None:
        """The answer has no header (etcd)."""
        request = decode_unary(pb.MoveLeaderRequest, payload, call, self._member)
        if request is None:
            return

        def done(error: EtcdError | None) -> None:
            if error is None:
                call.reply(b"")
            else:
                call.fail(*status_of(error))

        self._member.move_leader(request.targetID, done)

    def defragment(self, call: ServiceCall, payload: bytes) -> None:
        """The store is in memory and never fragmented. The answer has no header (etcd)."""
        if decode_unary(pb.DefragmentRequest, payload, call, self._member) is not None:
            call.reply(b"")

    def hash(self, call: ServiceCall, payload: bytes) -> None:
        if decode_unary(pb.HashRequest, payload, call, self._member) is not None:
            self._reply(call, pb.HashResponse(hash=self._member.store.hash()).SerializeToString())

    def hash_kv(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.HashKVRequest, payload, call, self._member)
        if request is None:
            return
        store = self._member.store
        try:
            value = store.hash(request.revision)
        except EtcdError as error:
            call.fail(*status_of(error))
            return
        response = pb.HashKVResponse(hash=value, compact_revision=store.compacted_revision)
        response.hash_revision = request.revision if request.revision > 0 else store.revision
        self._reply(call, response.SerializeToString())
