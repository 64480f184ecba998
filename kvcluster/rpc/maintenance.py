"""The Maintenance service, as far as it goes: Status, Alarm (an empty list), Hash, HashKV, Defragment (nothing to do)."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.errors import EtcdError, NoLeaderError, UnimplementedError
from kvcluster.member import Member
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.status import status_of
from kvcluster.rpc.version import SERVER_VERSION
from kvcluster.wire import ServiceCall


class MaintenanceService:
    __slots__ = ("_member",)

    def __init__(self, member: Member) -> None:
        self._member = member

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
        )
        if not member.leader:
            response.errors.append(str(NoLeaderError()))
        self._reply(call, response.SerializeToString())

    def alarm(self, call: ServiceCall, payload: bytes) -> None:
        """There are no alarms yet, so listing them is an empty list; raising or disarming one is refused."""
        request = decode_unary(pb.AlarmRequest, payload, call, self._member)
        if request is None:
            return
        if request.action != pb.AlarmRequest.GET:
            call.fail(*status_of(UnimplementedError("kvcluster: alarms cannot be raised or disarmed yet")))
            return
        self._reply(call, b"")

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
