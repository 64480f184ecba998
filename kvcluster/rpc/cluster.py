"""The Cluster service: who belongs to it, and changing that (etcd.md 2.11). Headers of its answers have no revision (etcd).

A change is looked at after a read barrier, made by kvcluster/member/membership.py, and proposed. If another change was faster
it is looked at again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kvcluster import pb
from kvcluster.errors import EtcdError, MembershipConflictError
from kvcluster.member import Applied, LeaseAnswer, Member, MembershipChange, member_id, membership
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.status import status_of
from kvcluster.wire import ServiceCall

MAX_ATTEMPTS = 10
"""Of one change, each overtaken by another."""


class ClusterService:
    """is_up: whether this member is connected with another one, for the check that a change keeps the cluster at work."""

    __slots__ = ("_member", "_is_up")

    def __init__(self, member: Member, is_up: Callable[[int], bool]) -> None:
        self._member = member
        self._is_up = lambda id: id == member.id or is_up(id)

    # ---- the list ----

    def member_list(self, call: ServiceCall, payload: bytes) -> None:
        """linearizable: after a read barrier."""
        request = decode_unary(pb.MemberListRequest, payload, call, self._member)
        if request is None:
            return

        def done(error: EtcdError | None) -> None:
            if error is None:
                call.reply(self._member.header(0), self._members().SerializeToString())
            else:
                call.fail(*status_of(error))

        if request.linearizable:
            self._member.read_barrier(done)
        else:
            done(None)

    def _members(self, response_class: Any = pb.MemberListResponse) -> Any:
        """A response with all members."""
        return response_class(
            members=[
                pb.Member(
                    ID=record.id,
                    name=record.name,
                    peerURLs=record.peer_urls,
                    clientURLs=record.client_urls,
                    isLearner=record.is_learner,
                )
                for record in self._member.members()
            ]
        )

    def _names(self) -> dict[int, str]:
        """Of the members that have started."""
        return {record.id: record.name for record in self._member.members() if record.name}

    # ---- changes ----

    def member_add(self, call: ServiceCall, payload: bytes) -> None:
        """The new member has no name until it starts."""
        request = decode_unary(pb.MemberAddRequest, payload, call, self._member)
        if request is None:
            return

        def change() -> MembershipChange:
            return membership.add(self._member.membership, self._names(), id, urls, request.isLearner, self._is_up)

        def response() -> Any:
            found = self._members(pb.MemberAddResponse)
            found.member.CopyFrom(next(member for member in found.members if id == member.ID))
            return found

        try:
            urls = membership.check_urls(request.peerURLs)
        except EtcdError as error:
            call.fail(*status_of(error))
            return
        id = member_id(urls, "", time.time_ns())
        self._change(call, change, response)

    def member_remove(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.MemberRemoveRequest, payload, call, self._member)
        if request is None:
            return
        member = self._member

        def change() -> MembershipChange:
            return membership.remove(member.membership, self._names(), request.ID, member.id, self._is_up)

        self._change(call, change, lambda: self._members(pb.MemberRemoveResponse))

    def member_update(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.MemberUpdateRequest, payload, call, self._member)
        if request is not None:
            self._change(
                call,
                lambda: membership.update(self._member.membership, request.ID, request.peerURLs),
                lambda: self._members(pb.MemberUpdateResponse),
            )

    def member_promote(self, call: ServiceCall, payload: bytes) -> None:
        """Whether the learner has caught up is known to the leader only."""
        request = decode_unary(pb.MemberPromoteRequest, payload, call, self._member)
        if request is None:
            return
        member = self._member

        def answered(answer: LeaseAnswer | EtcdError) -> None:
            if isinstance(answer, EtcdError):
                call.fail(*status_of(answer))
                return
            is_in_sync = answer.ttl_s == 1
            self._change(
                call,
                lambda: membership.promote(member.membership, self._names(), request.ID, is_in_sync, self._is_up),
                lambda: self._members(pb.MemberPromoteResponse),
            )

        member.ask_in_sync(request.ID, answered)

    def _change(
        self, call: ServiceCall, change: Callable[[], MembershipChange], response: Callable[[], Any], attempt: int = 1
    ) -> None:
        def looked(error: EtcdError | None) -> None:
            try:
                if error is not None:
                    raise error
                wanted = change()
            except EtcdError as refusal:
                call.fail(*status_of(refusal))
                return
            self._member.change_members(wanted, done)

        def done(applied: Applied) -> None:
            if applied.error is None:
                call.reply(self._member.header(0), response().SerializeToString())
            elif isinstance(applied.error, MembershipConflictError) and attempt < MAX_ATTEMPTS:
                self._change(call, change, response, attempt + 1)
            else:
                call.fail(*status_of(applied.error))

        self._member.read_barrier(looked)
