"""The Lease service: grant, revoke, keep-alive, time to live, leases (etcd.md 2.8)."""

from __future__ import annotations

from collections import deque

from kvcluster import pb
from kvcluster.auth import Identity
from kvcluster.errors import EtcdError, NoLeaderError, NoSpaceError, TooManyRequestsError
from kvcluster.member import Applied, LeaseAnswer, Member, check_lease_keys, ops
from kvcluster.rpc.access import Access
from kvcluster.rpc.decoding import decode, decode_unary, lacks_leader
from kvcluster.rpc.quota import LEASE_COST_BYTES, Quota
from kvcluster.rpc.status import status_of
from kvcluster.wire import ServiceCall


class LeaseService:
    __slots__ = ("_member", "_access", "_quota")

    def __init__(self, member: Member, access: Access, quota: Quota) -> None:
        self._member = member
        self._access = access
        self._quota = quota

    def _answer(self, call: ServiceCall, applied: Applied) -> None:
        if applied.error is None:
            call.reply(self._member.header(applied.revision), applied.body)
        else:
            call.fail(*status_of(applied.error))

    def grant(self, call: ServiceCall, payload: bytes) -> None:
        """ID 0: the member chooses, before the request enters the log, so that all members apply the same."""
        request = decode_unary(pb.LeaseGrantRequest, payload, call, self._member)
        if request is None:
            return
        if self._quota.is_exceeded_by(LEASE_COST_BYTES):
            call.fail(*status_of(NoSpaceError()))
            return
        if not request.ID:
            request.ID = self._member.new_lease_id()
            payload = request.SerializeToString()
        self._access.propose(call, ops.LEASE_GRANT, payload, lambda applied: self._answer(call, applied), request)

    def revoke(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.LeaseRevokeRequest, payload, call, self._member)
        if request is not None:
            self._access.propose(call, ops.LEASE_REVOKE, payload, lambda applied: self._answer(call, applied), request)

    def keep_alive(self, call: ServiceCall) -> KeepAliveStream:
        if lacks_leader(call, self._member):
            call.finish(*status_of(NoLeaderError()))
        return KeepAliveStream(call, self._member, self._access)

    def time_to_live(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.LeaseTimeToLiveRequest, payload, call, self._member)
        if request is None:
            return

        def answered(answer: LeaseAnswer | EtcdError) -> None:
            if isinstance(answer, EtcdError):
                call.fail(*status_of(answer))
                return
            response = pb.LeaseTimeToLiveResponse(ID=request.ID, TTL=answer.ttl_s, grantedTTL=answer.granted_ttl_s)
            if request.keys:
                response.keys.extend(answer.keys)
            call.reply(self._member.header(self._member.store.revision), response.SerializeToString())

        def check(who: Identity) -> None:
            """Keys are told only to those who may read them."""
            access.auth.check_authenticated(who)
            self._check_readable(who, request.ID if request.keys else 0)

        access = self._access
        if access.auth.is_enabled:
            access.check(call, check, lambda: self._member.time_to_live(request.ID, answered))
        else:
            self._member.time_to_live(request.ID, answered)

    def _check_readable(self, who: Identity, id: int) -> None:
        lease = self._member.lessor.find(id)
        for key in lease.keys if lease is not None else ():
            self._access.auth.check_range(who, key)

    def leases(self, call: ServiceCall, payload: bytes) -> None:
        """This member's own list, the first to expire in front."""
        if decode_unary(pb.LeaseLeasesRequest, payload, call, self._member) is None:
            return
        if self._access.auth.is_enabled:
            self._access.check(call, self._check_all_readable, lambda: self._list(call))
        else:
            self._list(call)

    def _check_all_readable(self, who: Identity) -> None:
        self._access.auth.check_authenticated(who)
        for lease in self._member.lessor.leases():
            self._check_readable(who, lease.id)

    def _list(self, call: ServiceCall) -> None:
        statuses = [pb.LeaseStatus(ID=lease.id) for lease in self._member.lessor.leases()]
        body = pb.LeaseLeasesResponse(leases=statuses).SerializeToString()
        call.reply(self._member.header(self._member.store.revision), body)


class KeepAliveStream:
    """One answer per request, in order; the next request is asked when the one before is answered.

    The header is taken before the renewal, so that a revision at or after the expiry never comes with a success.
    Requests beyond the member's `max_pending_requests` end the stream. A leader answers while it is being asked, so a
    backlog is worked off in a loop: it may hold a renewal for each of a client's thousands of leases.
    """

    __slots__ = ("_call", "_member", "_access", "_waiting", "_is_asking", "_is_in_loop", "_is_half_closed")

    def __init__(self, call: ServiceCall, member: Member, access: Access) -> None:
        self._call = call
        self._member = member
        self._access = access
        self._waiting: deque[int] = deque()
        self._is_asking = False
        self._is_in_loop = False
        self._is_half_closed = False

    def on_message(self, payload: bytes) -> None:
        if not self._call.is_active:
            return
        request = decode(pb.LeaseKeepAliveRequest, payload, self._call)
        if request is None:
            return
        if len(self._waiting) >= self._member.config.max_pending_requests:
            self._end(TooManyRequestsError())
            return
        self._waiting.append(request.ID)
        self._ask()

    def _ask(self) -> None:
        if self._is_in_loop:
            return
        self._is_in_loop = True
        while self._waiting and not self._is_asking:
            self._ask_one(self._waiting.popleft())
        self._is_in_loop = False
        if self._is_half_closed and not self._is_asking:
            self._call.finish()

    def _ask_one(self, lease: int) -> None:
        self._is_asking = True
        header = self._member.header(self._member.store.revision)

        def answered(answer: LeaseAnswer | EtcdError) -> None:
            self._is_asking = False
            if isinstance(answer, EtcdError):
                self._end(answer)
                return
            self._call.send(header, pb.LeaseKeepAliveResponse(ID=lease, TTL=answer.ttl_s).SerializeToString())
            self._ask()

        if self._access.auth.is_enabled:
            try:
                check_lease_keys(self._member.applier.state, self._access.who(self._call), lease)
            except EtcdError as error:
                answered(error)
                return
        self._member.renew_lease(lease, answered)

    def _end(self, error: EtcdError) -> None:
        self._waiting.clear()
        self._call.finish(*status_of(error))

    def on_half_close(self) -> None:
        self._is_half_closed = True
        self._ask()

    def on_cancel(self) -> None:
        self._waiting.clear()

    def on_drain(self) -> None:
        """Answers are small and one at a time: nothing was held back."""
