"""Members driven by hand: an in-memory network whose messages and ticks the test moves itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.member import Applied, Member, MemberConfig, MemberRecord, PeerMessage, ops
from kvcluster.raft import MemoryStorage

MAX_ROUNDS = 1000


class Machine:
    """One member with its storage. `is_cut`: nothing it sends arrives, and nothing arrives at it.

    background_steps: how many bits of background work a turn does; None: all there is.
    """

    def __init__(self, config: MemberConfig, is_volatile: bool = False) -> None:
        self.config = config
        self.storage = MemoryStorage(voters=[record.id for record in config.members], is_volatile=is_volatile)
        self.background_steps: int | None = None
        self.member = Member(config, self.storage)
        self.is_cut = False
        self.read_indexes = 0

    def restart(self) -> None:
        self.config = replace(self.config, incarnation=self.config.incarnation + 1)
        self.member = Member(self.config, self.storage)

    def turn(self) -> list[PeerMessage]:
        """The shell's turn, without a socket."""
        sent: list[PeerMessage] = []
        for _ in range(MAX_ROUNDS):
            if not self.member.has_ready():
                break
            ready = self.member.ready()
            if ready.snapshot is not None:
                self.storage.apply_snapshot(ready.snapshot)
            self.storage.append(ready.entries)
            if ready.hard_state is not None:
                self.storage.set_hard_state(ready.hard_state)
            sent += ready.messages
            self.read_indexes += len(ready.read_states)
            self.member.advance(ready)
        else:
            raise AssertionError("the member never comes to rest")
        steps = self.background_steps
        while (steps is None or steps > 0) and self.member.background():
            steps = None if steps is None else steps - 1
        return sent


class Network:
    """Machines by id. Everything is moved by `pump` (messages until nobody has any) and `tick`."""

    def __init__(self, count: int, *, is_volatile: bool = False, **fields: Any) -> None:
        records = tuple(
            MemberRecord(id, f"m{id}", (f"http://p{id}",), (f"http://c{id}",)) for id in range(1, count + 1)
        )
        self.machines = {
            record.id: Machine(MemberConfig(id=record.id, members=records, seed=record.id, **fields), is_volatile)
            for record in records
        }
        self.drop: Callable[[PeerMessage], bool] = lambda message: False

    def __getitem__(self, id: int) -> Member:
        return self.machines[id].member

    def pump(self) -> None:
        for _ in range(MAX_ROUNDS):
            messages = [message for machine in self.machines.values() for message in self._turn(machine)]
            if not messages:
                return
            for message in messages:
                receiver = self.machines[message.to]
                if not receiver.is_cut and not self.drop(message):
                    receiver.member.receive(message)
        raise AssertionError("the network never comes to rest")

    def _turn(self, machine: Machine) -> list[PeerMessage]:
        sent = machine.turn()
        return [] if machine.is_cut else sent

    def tick(self, count: int = 1, only: Sequence[int] = ()) -> None:
        for _ in range(count):
            for id, machine in self.machines.items():
                if not only or id in only:
                    machine.member.tick()
            self.pump()

    def settle(self) -> Member:
        """Time passes until there is a leader whom everybody knows and all are published."""
        for _ in range(300):
            self.tick()
            leaders = [machine.member for machine in self.machines.values() if machine.member.is_leader]
            members = [machine.member for machine in self.machines.values()]
            if len(leaders) == 1 and all(m.leader == leaders[0].id and m.is_published for m in members):
                return leaders[0]
        raise AssertionError("no leader")

    def check(self) -> None:
        """Every member's invariants."""
        for machine in self.machines.values():
            machine.member._check()

    def follower(self) -> Member:
        return next(machine.member for machine in self.machines.values() if not machine.member.is_leader)


class Answers(list[Any]):
    """A `done` that remembers; `only` is the one answer there must be."""

    def __call__(self, answer: Any) -> None:
        self.append(answer)

    @property
    def only(self) -> Any:
        assert len(self) == 1, self
        return self[0]


def put(member: Member, key: bytes, value: bytes = b"v", **fields: Any) -> Answers:
    answers = Answers()
    request = pb.PutRequest(key=key, value=value, **fields)
    member.propose(ops.PUT, request.SerializeToString(), answers, request)
    return answers


def grant(member: Member, id: int, ttl_s: int) -> Answers:
    answers = Answers()
    member.propose(ops.LEASE_GRANT, pb.LeaseGrantRequest(ID=id, TTL=ttl_s).SerializeToString(), answers)
    return answers


class Toolbox:
    """What the tests of this folder share, without importing each other."""

    network = Network
    answers = Answers
    put = staticmethod(put)
    grant = staticmethod(grant)
    applied = Applied


@pytest.fixture
def box() -> type[Toolbox]:
    return Toolbox


@pytest.fixture
def alone() -> Iterator[Network]:
    """One member, which leads."""
    network = Network(1)
    network.pump()
    assert network[1].is_leader
    yield network
    network.check()


@pytest.fixture
def three() -> Iterator[Network]:
    """Three members with a leader."""
    network = Network(3)
    network.settle()
    yield network
    network.check()
