"""The Election service: clientv3's election, run by the server (etcd.md 2.11).

Candidates line up as for a lock; the oldest key's owner leads, and its value is what the leader proclaims.
"""

from __future__ import annotations

from typing import Any

from kvcluster import pb
from kvcluster.member import Member, ops
from kvcluster.rpc.decoding import decode, decode_unary
from kvcluster.rpc.lock import create_if_missing, oldest, own_key, prefix_of
from kvcluster.rpc.recipe import RecipeError, Recipes, Session
from kvcluster.wire import ServiceCall

NO_LEADER = "election: no leader"
NOT_LEADER = "election: not leader"
NO_LEADER_KEY = '"leader" field must be provided'


def _if_still(leader: pb.LeaderKey, op: pb.RequestOp) -> pb.TxnRequest:
    """`op`, as long as the leader's key is the one that was campaigned with."""
    return pb.TxnRequest(
        compare=[
            pb.Compare(key=leader.key, target=pb.Compare.CREATE, result=pb.Compare.EQUAL, create_revision=leader.rev)
        ],
        success=[op],
    )


class ElectionService:
    __slots__ = ("_member", "_recipes")

    def __init__(self, member: Member, recipes: Recipes) -> None:
        self._member = member
        self._recipes = recipes

    # ---- candidates ----

    def campaign(self, call: ServiceCall, payload: bytes) -> None:
        """Answered when the candidate leads."""
        request = decode_unary(pb.CampaignRequest, payload, call, self._member)
        if request is not None:
            self._recipes.start(call, lambda session: self._campaign(session, request))

    async def _campaign(self, session: Session, request: pb.CampaignRequest) -> None:
        await session.use_lease(request.lease)
        key = own_key(request.name, session.lease)
        answer = await session.txn(create_if_missing(key, request.value, session.lease))
        revision = answer.header.revision
        leader = pb.LeaderKey(name=request.name, key=key, rev=revision, lease=session.lease)
        if not answer.succeeded:
            (standing,) = answer.responses[0].response_range.kvs
            leader.rev = standing.create_revision
            if standing.value != request.value:
                await self._put(session, leader, request.value)
        try:
            await session.wait_deleted(*prefix_of(request.name), leader.rev - 1)
        except BaseException:
            delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))
            session.send_off(ops.TXN, _if_still(leader, delete))
            raise
        session.call.reply(self._member.header(revision), pb.CampaignResponse(leader=leader).SerializeToString())

    async def _put(self, session: Session, leader: pb.LeaderKey, value: bytes) -> int:
        put = pb.RequestOp(request_put=pb.PutRequest(key=leader.key, value=value, lease=session.lease))
        answer = await session.txn(_if_still(leader, put))
        if not answer.succeeded:
            raise RecipeError(NOT_LEADER)
        return int(answer.header.revision)

    def proclaim(self, call: ServiceCall, payload: bytes) -> None:
        """A new value, of who leads already."""
        request = decode_unary(pb.ProclaimRequest, payload, call, self._member)
        if request is not None:
            self._recipes.start(call, lambda session: self._proclaim(session, request))

    async def _proclaim(self, session: Session, request: pb.ProclaimRequest) -> None:
        _check_leader_key(request)
        await session.use_lease(request.leader.lease)
        revision = await self._put(session, request.leader, request.value)
        session.call.reply(self._member.header(revision))

    def resign(self, call: ServiceCall, payload: bytes) -> None:
        """Gives leadership, or the place in the line, up; of who has it no more that is no error."""
        request = decode_unary(pb.ResignRequest, payload, call, self._member)
        if request is not None:
            self._recipes.start(call, lambda session: self._resign(session, request))

    async def _resign(self, session: Session, request: pb.ResignRequest) -> None:
        _check_leader_key(request)
        delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=request.leader.key))
        answer = await session.txn(_if_still(request.leader, delete))
        session.call.reply(self._member.header(answer.header.revision))

    # ---- everybody ----

    def leader(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.LeaderRequest, payload, call, self._member)
        if request is not None:
            self._recipes.start(call, lambda session: self._leader(session, request))

    async def _leader(self, session: Session, request: pb.LeaderRequest) -> None:
        found = await session.range(oldest(*prefix_of(request.name)))
        if not found.kvs:
            raise RecipeError(NO_LEADER)
        response = pb.LeaderResponse(kv=found.kvs[0])
        session.call.reply(self._member.header(found.header.revision), response.SerializeToString())

    def observe(self, call: ServiceCall) -> ObserveStream:
        """A stream of leaders and of what they proclaim, from now on."""
        return ObserveStream(call, self)

    def start_observing(self, call: ServiceCall, request: pb.LeaderRequest) -> None:
        self._recipes.start(call, lambda session: self._observe(session, request.name), is_stream=True)

    def stop_observing(self, call: ServiceCall) -> None:
        self._recipes.cancel(call)

    async def _observe(self, session: Session, name: bytes) -> None:
        prefix, end = prefix_of(name)
        while True:
            found = await session.range(oldest(prefix, end))
            if found.kvs:
                kv, revision = found.kvs[0], found.header.revision
            else:
                kv = await self._first_put(session, prefix, end, found.header.revision)
                revision = kv.mod_revision
            await self._tell(session, kv, revision)
            queue = session.events(kv.key, b"", revision + 1)
            try:
                leads = True
                while leads:
                    events = await queue.next()
                    for event in events:
                        leads = event.type != pb.Event.DELETE
                        if not leads:
                            break
                        await self._tell(session, event.kv, event.kv.mod_revision)
            finally:
                queue.close()

    async def _first_put(self, session: Session, prefix: bytes, end: bytes, revision: int) -> Any:
        queue = session.events(prefix, end, revision + 1)
        try:
            while True:
                events = await queue.next()
                for event in events:
                    if event.type == pb.Event.PUT:
                        return event.kv
        finally:
            queue.close()

    async def _tell(self, session: Session, kv: Any, revision: int) -> None:
        await session.room()
        response = pb.LeaderResponse(kv=kv)
        session.call.send(self._member.header(revision), response.SerializeToString())

    def decode_leader_request(self, payload: bytes, call: ServiceCall) -> pb.LeaderRequest | None:
        request: pb.LeaderRequest | None = decode(pb.LeaderRequest, payload, call)
        return request


def _check_leader_key(request: Any) -> None:
    if not request.HasField("leader"):
        raise RecipeError(NO_LEADER_KEY)


class ObserveStream:
    """wire's StreamHandler."""

    def __init__(self, call: ServiceCall, service: ElectionService) -> None:
        self._call = call
        self._service = service

    def on_message(self, payload: bytes) -> None:
        request = self._service.decode_leader_request(payload, self._call)
        if request is not None:
            self._service.start_observing(self._call, request)

    def on_half_close(self) -> None:
        """The one request has been sent."""

    def on_cancel(self) -> None:
        self._service.stop_observing(self._call)

    def on_drain(self) -> None: ...
