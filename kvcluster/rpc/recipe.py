"""Recipes on the server: what Lock and Election do, written as one reads it, without an event loop.

A recipe is a coroutine that awaits steps: a transaction, a barrier, a lease's grant, the next event of a key. A step is started
with a function that takes its outcome, and the coroutine goes on in whichever call of the member brings that: nothing waits, no
thread is held, and the same script runs under the simulator. (etcd runs a client inside the server for this.)

    Session ──run──▶ step ──outcome──▶ step … ──▶ the call is answered
                       └──the call is over──▶ CallOver is raised where the recipe waits
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from kvcluster import pb
from kvcluster.auth import Identity
from kvcluster.errors import CompactedError, EmptyKeyError, EtcdError
from kvcluster.member import Applied, Member, ops
from kvcluster.rpc.access import Access
from kvcluster.watch import Subscription
from kvcluster.wire import HIGH_WATER_BYTES, ServiceCall, codes

SESSION_TTL_S = 60
"""Of the lease that is granted to who names none (etcd: concurrency's default)."""

MAX_ARRIVED = 100
"""Deliveries that a recipe has not looked at yet; the hub keeps the rest."""

Outcome = Callable[[Any, Exception | None], None]


class CallOver(Exception):
    """Whoever asked is gone: clean up."""


class RecipeError(EtcdError):
    """What only recipes say, in the words of etcd's clients."""


class Step:
    """`await Step(start)`: start(outcome) begins it; outcome(value, error) is called once, then or later."""

    def __init__(self, start: Callable[[Outcome], object]) -> None:
        self.start = start

    def __await__(self) -> Generator[Step, Any, Any]:
        return (yield self)


class EventQueue:
    """The hub's Sink for one key or prefix: `await queue.next()` gives the events of the next delivery.

    A sink must not call the hub back, and a recipe that goes on may. So it goes on from a read barrier, and not from the
    delivery.
    """

    def __init__(self, session: Session, key: bytes, range_end: bytes, start_revision: int) -> None:
        self._member = session.member
        self._waiting: Outcome | None = None
        self._is_called = False
        self._arrived: deque[bytes] = deque()
        self._is_full = False
        self._error: EtcdError | None = None
        self._subscription: Subscription | None = None
        self._subscription = self._member.hub.subscribe(key, range_end, start_revision, sink=self)

    def next(self) -> Step:
        """-> the events, at least one. Raises CompactedError."""

        def start(outcome: Outcome) -> None:
            self._waiting = outcome
            self._hand_over(None)

        return Step(start)

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        if len(self._arrived) >= MAX_ARRIVED:
            self._is_full = True
            return False
        self._arrived.append(events)
        self._call()
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        self._subscription = None
        self._error = CompactedError(compact_revision=compact_revision)
        self._call()

    def _call(self) -> None:
        if self._waiting is not None and not self._is_called:
            self._is_called = True
            self._member.read_barrier(self._hand_over)

    def _hand_over(self, error: EtcdError | None) -> None:
        self._is_called = False
        if self._waiting is None or not (error or self._arrived or self._error):
            return
        waiting, self._waiting = self._waiting, None
        if error is not None or not self._arrived:
            waiting(None, error or self._error)
            return
        events = self._arrived.popleft()
        if self._is_full and self._subscription is not None:
            self._is_full = False
            self._member.hub.resume(self._subscription)
        waiting(list(pb.WatchResponse.FromString(events).events), None)

    def close(self) -> None:
        self._waiting = None
        if self._subscription is not None:
            self._member.hub.cancel(self._subscription)
            self._subscription = None


class Session:
    """One call of a recipe: who asks, the lease that it keeps alive meanwhile, and the steps."""

    def __init__(self, recipes: Recipes, call: ServiceCall, who: Identity | None) -> None:
        self.call = call
        self.member: Member = recipes.member
        self.lease = 0
        self._recipes = recipes
        self._who = who
        self._coroutine: Coroutine[Step, Any, None] | None = None
        self._renew_tick = 0
        self._outcomes: list[tuple[Any, BaseException | None]] = []
        self._is_stepping = False
        self._waits_for_room: Outcome | None = None

    # ---- running ----

    def run(self, recipe: Coroutine[Step, Any, None]) -> None:
        self._coroutine = recipe
        self._resume(None, None)

    def _resume(self, value: Any, error: BaseException | None) -> None:
        """The outcome of the step that is waited for. Steps that are over at once are taken in this loop, not one inside the
        other."""
        self._outcomes.append((value, error))
        if self._is_stepping:
            return
        self._is_stepping = True
        while self._outcomes and self._coroutine is not None:
            step = self._send(self._coroutine, *self._outcomes.pop())
            if step is not None:
                step.start(self._resume)
        self._is_stepping = False

    def _send(self, coroutine: Coroutine[Step, Any, None], value: Any, error: BaseException | None) -> Step | None:
        """The next step; None at the recipe's end."""
        try:
            return coroutine.throw(error) if error is not None else coroutine.send(value)
        except (StopIteration, CallOver):
            self._end()
        except EtcdError as refusal:
            self._end()
            # The recipe is a client inside the server: what it hears has lost its code on the way (etcd).
            self.call.fail(codes.UNKNOWN, str(refusal))
        return None

    def _end(self) -> None:
        self._coroutine = None
        self._recipes.forget(self)
        self.call.when_cancelled(_nothing)

    def cancel(self) -> None:
        """The call is over: CallOver is raised in the recipe."""
        self._resume(None, CallOver())

    def tick(self) -> None:
        waiting = self._waits_for_room
        if waiting is not None and self.call.buffered_bytes <= HIGH_WATER_BYTES:
            self._waits_for_room = None
            waiting(None, None)
        if self.lease and self.member.now_tick >= self._renew_tick:
            lease = self.member.lessor.find(self.lease)
            if lease is not None:
                ticks_per_second = max(1000 // self.member.config.tick_ms, 1)
                self._renew_tick = self.member.now_tick + max(lease.ttl_s * ticks_per_second // 3, 1)
                self.member.renew_lease(self.lease, lambda answer: None)

    # ---- steps ----

    def txn(self, request: pb.TxnRequest) -> Step:
        """-> pb.TxnResponse, its header's revision included. Raises EmptyKeyError."""
        if not all(compare.key for compare in request.compare):
            raise EmptyKeyError
        return self._propose(ops.TXN, request, pb.TxnResponse)

    def delete(self, key: bytes) -> Step:
        """-> pb.DeleteRangeResponse. Raises EmptyKeyError."""
        if not key:
            raise EmptyKeyError
        return self._propose(ops.DELETE_RANGE, pb.DeleteRangeRequest(key=key), pb.DeleteRangeResponse)

    def _propose(self, op: int, request: Any, response_class: Any) -> Step:
        def start(outcome: Outcome) -> None:
            def done(applied: Applied) -> None:
                if applied.error is not None:
                    outcome(None, applied.error)
                else:
                    response = response_class.FromString(applied.body)
                    response.header.revision = applied.revision
                    outcome(response, None)

            self.member.propose(op, request.SerializeToString(), done, None, self._who)

        return Step(start)

    def send_off(self, op: int, request: Any) -> None:
        """Proposes it without waiting: cleaning up after a call that is over."""
        self.member.propose(op, request.SerializeToString(), lambda applied: None, None, self._who)

    def range(self, request: pb.RangeRequest) -> Step:
        """-> pb.RangeResponse, linearizable."""

        def start(outcome: Outcome) -> None:
            def done(error: EtcdError | None) -> None:
                try:
                    if error is not None:
                        raise error
                    if self._who is not None:
                        self.member.auth.check_range(self._who, request.key, request.range_end)
                    applied = self.member.applier.range(request)
                    if applied.error is not None:
                        raise applied.error
                except EtcdError as refusal:
                    outcome(None, refusal)
                    return
                response = pb.RangeResponse.FromString(applied.body)
                response.header.revision = applied.revision
                outcome(response, None)

            self.member.read_barrier(done)

        return Step(start)

    def events(self, key: bytes, range_end: bytes, start_revision: int) -> EventQueue:
        """Of a key or range that was read before, and so may be watched. `close` it."""
        return EventQueue(self, key, range_end, start_revision)

    def room(self) -> Step:
        """Returns when the client's buffer has room; looked at with every tick."""

        def start(outcome: Outcome) -> None:
            if self.call.buffered_bytes <= HIGH_WATER_BYTES:
                outcome(None, None)
            else:
                self._waits_for_room = outcome

        return Step(start)

    async def use_lease(self, lease: int) -> None:
        """The session's lease, kept alive until the call is answered; 0: a new one, of SESSION_TTL_S from then on."""
        if not lease:
            lease = self.member.new_lease_id()
            request = pb.LeaseGrantRequest(ID=lease, TTL=SESSION_TTL_S)
            await self._propose(ops.LEASE_GRANT, request, pb.LeaseGrantResponse)
        self.lease = lease

    async def wait_deleted(self, prefix: bytes, prefix_end: bytes, max_create_revision: int) -> None:
        """Returns when no key of the prefix is as old as that. The youngest of them is watched, so that nobody is woken
        but the next in line."""
        youngest = pb.RangeRequest(
            key=prefix, range_end=prefix_end, max_create_revision=max_create_revision, limit=1,
            sort_target=pb.RangeRequest.CREATE, sort_order=pb.RangeRequest.DESCEND,
        )  # fmt: skip
        while True:
            found = await self.range(youngest)
            if not found.kvs:
                return
            queue = self.events(found.kvs[0].key, b"", found.header.revision)
            try:
                is_deleted = False
                while not is_deleted:
                    events = await queue.next()
                    is_deleted = any(event.type == pb.Event.DELETE for event in events)
            finally:
                queue.close()


def _nothing() -> None: ...


class Recipes:
    """The recipes that are running at a member. `tick` with every tick of the member."""

    def __init__(self, member: Member, access: Access) -> None:
        self.member = member
        self._access = access
        self._sessions: dict[ServiceCall, Session] = {}

    def start(
        self, call: ServiceCall, recipe: Callable[[Session], Coroutine[Step, Any, None]], *, is_stream: bool = False
    ) -> None:
        """Runs recipe(session) for a call, in the name of whoever calls. A stream's handler calls `cancel`."""

        def begin(who: Identity | None) -> None:
            session = self._sessions[call] = Session(self, call, who)
            if not is_stream:
                call.when_cancelled(session.cancel)
            session.run(recipe(session))

        if self._access.auth.is_enabled:
            self._access.resolve(call, begin)
        else:
            begin(None)

    def cancel(self, call: ServiceCall) -> None:
        session = self._sessions.get(call)
        if session is not None:
            session.cancel()

    def forget(self, session: Session) -> None:
        self._sessions.pop(session.call, None)

    def tick(self) -> None:
        for session in list(self._sessions.values()):
            session.tick()
