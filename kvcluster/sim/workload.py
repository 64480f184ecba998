"""The clients: a few, each with one call at a time, on few keys, so that they get in each other's way.

A client calls one member until that one fails it. It waits for its answer for a bounded number of steps; after that the
outcome is unknown, as for any client whose connection broke: the call may yet take effect, once. Every value that is
put is unique in the run. What is answered goes to the Linearizability checker; what is not answered goes nowhere, but
shows up in the history if it took effect.

Keys b"r0".. are registers (put, delete, swap, read); b"l0".. hang on leases, which expire by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from kvcluster import pb
from kvcluster.errors import EtcdError
from kvcluster.member import Applied, LeaseAnswer, Member, ops
from kvcluster.sim.checkers import Kind, Linearizability, Operation
from kvcluster.sim.violation import Violation


class Gate(Protocol):
    """How clients get at members."""

    @property
    def ids(self) -> Sequence[int]: ...

    def find_member(self, id: int) -> Member | None:
        """The running member, None while it is down or paused."""
        ...


@dataclass(frozen=True, kw_only=True)
class WorkloadOptions:
    """`call` is a client's probability to begin a call in a step; `weights` say which, by kind."""

    clients: int = 5
    registers: int = 3
    leased_keys: int = 3
    call: float = 0.5
    timeout_steps: int = 80
    weights: tuple[tuple[Kind, int], ...] = (
        (Kind.PUT, 30),
        (Kind.DELETE, 5),
        (Kind.SWAP, 25),
        (Kind.READ, 30),
        (Kind.STALE_READ, 5),
        (Kind.GRANT, 3),
        (Kind.COMPACT, 3),
        (Kind.RENEW, 3),
    )


class Client:
    """One caller. `seen` is what it last read of each register: the mod_revision that its swaps expect."""

    __slots__ = ("number", "member", "pending", "seen", "lease", "calls")

    def __init__(self, number: int, member: int) -> None:
        self.number = number
        self.member = member
        self.pending: Operation | None = None
        self.seen: dict[bytes, int] = {}
        self.lease = 0
        self.calls = 0


class Workload:
    """Steps all clients. Counts what was acknowledged, refused and left unknown."""

    def __init__(self, random: Random, options: WorkloadOptions, gate: Gate, checker: Linearizability) -> None:
        self._random = random
        self._options = options
        self._gate = gate
        self._checker = checker
        self._clients = [Client(n, gate.ids[n % len(gate.ids)]) for n in range(options.clients)]
        self._kinds = [kind for kind, _ in options.weights]
        self._weights = [weight for _, weight in options.weights]
        self.acknowledged = self.refused = self.unknown = 0

    @property
    def is_idle(self) -> bool:
        return all(client.pending is None for client in self._clients)

    def step(self, now: int, *, calling: bool = True) -> list[str]:
        """Gives up on calls that took too long, begins new ones; returns lines for the trace."""
        lines = []
        for client in self._clients:
            pending = client.pending
            if pending is not None and now - pending.begin_step > self._options.timeout_steps:
                client.pending = None
                client.member = self._random.choice(self._gate.ids)
                self.unknown += 1
                lines.append(f"unknown {pending!r}")
            if client.pending is None and calling and self._random.random() < self._options.call:
                self._call(client, now)
        return lines

    def _call(self, client: Client, now: int) -> None:
        member = self._gate.find_member(client.member)
        if member is None:
            client.member = self._random.choice(self._gate.ids)
            return
        (kind,) = self._random.choices(self._kinds, self._weights)
        operation = Operation(kind, client.number, client.member, now, self._checker.newest_answered)
        operation.key = b"r%d" % self._random.randrange(self._options.registers)
        client.pending = operation
        client.calls += 1
        operation.value = b"%d.%d" % (client.number, client.calls)
        _CALLS[kind](self, client, member, operation)

    # One method a kind: builds the request as a client's bytes and says what its answer means.

    def _put(self, client: Client, member: Member, operation: Operation) -> None:
        if client.lease and self._random.random() < 0.3:
            operation.key = b"l%d" % self._random.randrange(self._options.leased_keys)
            operation.lease = client.lease
        request = pb.PutRequest(key=operation.key, value=operation.value, lease=operation.lease)
        self._propose(client, member, operation, ops.PUT, request.SerializeToString(), _understand_put)

    def _delete(self, client: Client, member: Member, operation: Operation) -> None:
        request = pb.DeleteRangeRequest(key=operation.key)
        self._propose(client, member, operation, ops.DELETE_RANGE, request.SerializeToString(), _understand_delete)

    def _swap(self, client: Client, member: Member, operation: Operation) -> None:
        operation.expected = client.seen.get(operation.key, 0)
        compare = pb.Compare(
            key=operation.key,
            target=pb.Compare.MOD,
            result=pb.Compare.EQUAL,
            mod_revision=operation.expected,
        )
        put = pb.RequestOp(request_put=pb.PutRequest(key=operation.key, value=operation.value))
        request = pb.TxnRequest(compare=[compare], success=[put])
        self._propose(client, member, operation, ops.TXN, request.SerializeToString(), _understand_txn)

    def _grant(self, client: Client, member: Member, operation: Operation) -> None:
        operation.lease = 1 + client.number * 100_000 + client.calls
        request = pb.LeaseGrantRequest(ID=operation.lease, TTL=self._random.randint(2, 6))
        self._propose(client, member, operation, ops.LEASE_GRANT, request.SerializeToString(), _understand_nothing)

    def _compact(self, client: Client, member: Member, operation: Operation) -> None:
        revision = max(1, self._checker.newest_answered - self._random.randint(0, 20))
        request = pb.CompactionRequest(revision=revision)
        self._propose(client, member, operation, ops.COMPACT, request.SerializeToString(), _understand_nothing)

    def _renew(self, client: Client, member: Member, operation: Operation) -> None:
        operation.lease = client.lease or 1
        answered = _Once(operation)

        def done(answer: LeaseAnswer | EtcdError) -> None:
            answered.now()
            self._answer(client, operation, answer if isinstance(answer, EtcdError) else None)
            if isinstance(answer, LeaseAnswer) and answer.ttl_s <= 0 and client.lease == operation.lease:
                client.lease = 0

        member.renew_lease(operation.lease, done)

    def _read(self, client: Client, member: Member, operation: Operation) -> None:
        answered = _Once(operation)

        def done(error: Exception | None) -> None:
            answered.now()
            if error is None:
                _look(member, operation)
            self._answer(client, operation, error)

        member.read_barrier(done)

    def _stale_read(self, client: Client, member: Member, operation: Operation) -> None:
        _look(member, operation)
        self._answer(client, operation, None)

    def _propose(
        self,
        client: Client,
        member: Member,
        operation: Operation,
        op: int,
        payload: bytes,
        understand: Callable[[Operation, Applied], None],
    ) -> None:
        answered = _Once(operation)

        def done(applied: Applied) -> None:
            answered.now()
            if applied.error is None:
                operation.revision = applied.revision
                understand(operation, applied)
            self._answer(client, operation, applied.error)

        member.propose(op, payload, done)

    def _answer(self, client: Client, operation: Operation, error: Exception | None) -> None:
        """An answer after the client gave up is nobody's: it knows of it as little as of no answer."""
        if client.pending is not operation:
            return
        client.pending = None
        operation.error = error
        if error is not None:
            self.refused += 1
            client.member = self._random.choice(self._gate.ids)
            return
        self.acknowledged += 1
        self._checker.see_answer(operation)
        if operation.kind is Kind.READ:
            client.seen[operation.key] = operation.mod_revision
        elif operation.kind is Kind.GRANT:
            client.lease = operation.lease


_CALLS: dict[Kind, Callable[[Workload, Client, Member, Operation], None]] = {
    Kind.PUT: Workload._put,
    Kind.DELETE: Workload._delete,
    Kind.SWAP: Workload._swap,
    Kind.READ: Workload._read,
    Kind.STALE_READ: Workload._stale_read,
    Kind.GRANT: Workload._grant,
    Kind.COMPACT: Workload._compact,
    Kind.RENEW: Workload._renew,
}


class _Once:
    """`done` is called exactly once, says the member."""

    __slots__ = ("_operation", "_was_called")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._was_called = False

    def now(self) -> None:
        if self._was_called:
            raise Violation(f"answered twice: {self._operation}")
        self._was_called = True


def _look(member: Member, operation: Operation) -> None:
    kv = member.store.get(operation.key)
    operation.revision = member.store.revision
    if kv is not None:
        operation.mod_revision = kv.mod_revision
        operation.found = kv.value


def _understand_put(operation: Operation, applied: Applied) -> None:
    operation.succeeded = True


def _understand_delete(operation: Operation, applied: Applied) -> None:
    operation.succeeded = pb.DeleteRangeResponse.FromString(applied.body).deleted > 0


def _understand_txn(operation: Operation, applied: Applied) -> None:
    operation.succeeded = pb.TxnResponse.FromString(applied.body).succeeded


def _understand_nothing(operation: Operation, applied: Applied) -> None:
    operation.succeeded = True
