"""The Lock service: clientv3's mutex, run by the server (etcd.md 2.11).

Who wants the lock puts a key of his own, name/lease in hexadecimal, and has it when no older key of that name is left. So
waiters line up by their create revisions, and each waits for the one before.
"""

from __future__ import annotations

from kvcluster import pb
from kvcluster.member import Member, ops
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.recipe import RecipeError, Recipes, Session
from kvcluster.wire import ServiceCall

SESSION_EXPIRED = "mutex: session is expired"


def prefix_of(name: bytes) -> tuple[bytes, bytes]:
    """(key, range_end) of what lines up under a name."""
    return name + b"/", name + b"0"


def own_key(name: bytes, lease: int) -> bytes:
    return name + b"/%x" % lease


def oldest(prefix: bytes, end: bytes) -> pb.RangeRequest:
    """Whoever comes first."""
    return pb.RangeRequest(
        key=prefix, range_end=end, limit=1, sort_target=pb.RangeRequest.CREATE, sort_order=pb.RangeRequest.ASCEND
    )


def create_if_missing(key: bytes, value: bytes, lease: int) -> pb.TxnRequest:
    """Puts the key, or gets it."""
    return pb.TxnRequest(
        compare=[pb.Compare(key=key, target=pb.Compare.CREATE, result=pb.Compare.EQUAL, create_revision=0)],
        success=[pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))],
        failure=[pb.RequestOp(request_range=pb.RangeRequest(key=key))],
    )


class LockService:
    __slots__ = ("_member", "_recipes")

    def __init__(self, member: Member, recipes: Recipes) -> None:
        self._member = member
        self._recipes = recipes

    def lock(self, call: ServiceCall, payload: bytes) -> None:
        """Answered when the lock is held; the key is its proof, and lives as long as the lease."""
        request = decode_unary(pb.LockRequest, payload, call, self._member)
        if request is not None:
            self._recipes.start(call, lambda session: self._lock(session, request))

    async def _lock(self, session: Session, request: pb.LockRequest) -> None:
        await session.use_lease(request.lease)
        key = own_key(request.name, session.lease)
        prefix, end = prefix_of(request.name)
        attempt = create_if_missing(key, b"", session.lease)
        for branch in (attempt.success, attempt.failure):
            branch.append(pb.RequestOp(request_range=oldest(prefix, end)))
        answer = await session.txn(attempt)
        if answer.succeeded:
            own_revision = answer.header.revision
        else:
            own_revision = answer.responses[0].response_range.kvs[0].create_revision
        revision = answer.header.revision
        owners = answer.responses[1].response_range.kvs
        if owners and owners[0].create_revision != own_revision:
            revision = await self._wait(session, key, prefix, end, own_revision)
        session.call.reply(self._member.header(revision), pb.LockResponse(key=key).SerializeToString())

    async def _wait(self, session: Session, key: bytes, prefix: bytes, end: bytes, own_revision: int) -> int:
        """-> the revision at which the lock is held. Whoever does not get it leaves the line."""
        try:
            await session.wait_deleted(prefix, end, own_revision - 1)
            found = await session.range(pb.RangeRequest(key=key))
        except BaseException:
            session.send_off(ops.DELETE_RANGE, pb.DeleteRangeRequest(key=key))
            raise
        if not found.kvs:
            raise RecipeError(SESSION_EXPIRED)
        return int(found.header.revision)

    def unlock(self, call: ServiceCall, payload: bytes) -> None:
        """Deletes the key; that it is not there is no error."""
        request = decode_unary(pb.UnlockRequest, payload, call, self._member)
        if request is not None:
            self._recipes.start(call, lambda session: self._unlock(session, request))

    async def _unlock(self, session: Session, request: pb.UnlockRequest) -> None:
        answer = await session.delete(request.key)
        session.call.reply(self._member.header(answer.header.revision))
