"""The Cluster service: who belongs to it. Changing that comes with membership change, in a later version."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.errors import EtcdError
from kvcluster.member import Member
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.status import status_of
from kvcluster.wire import ServiceCall


class ClusterService:
    __slots__ = ("_member",)

    def __init__(self, member: Member) -> None:
        self._member = member

    def member_list(self, call: ServiceCall, payload: bytes) -> None:
        """linearizable: after a read barrier. The header of all Cluster answers has no revision (etcd)."""
        request = decode_unary(pb.MemberListRequest, payload, call, self._member)
        if request is None:
            return

        def done(error: EtcdError | None) -> None:
            if error is None:
                call.reply(self._member.header(0), self._body())
            else:
                call.fail(*status_of(error))

        if request.linearizable:
            self._member.read_barrier(done)
        else:
            done(None)

    def _body(self) -> bytes:
        members = [
            pb.Member(ID=record.id, name=record.name, peerURLs=record.peer_urls, clientURLs=record.client_urls)
            for record in self._member.members()
        ]
        return pb.MemberListResponse(members=members).SerializeToString()
