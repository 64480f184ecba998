"""A whole cluster in one loop, under one seed.

Whole members (kvcluster.member), not only their consensus, run against a simulated network, simulated clocks, and faults.
Nothing here reads a clock, a file or the system's dice. Each part draws from a stream of its own, named after it, so that
another fault rate does not change what the clients do. The same seed gives the same trace, on every machine, whatever
PYTHONHASHSEED is; `Report.trace_hash` proves it.

A step:
    faults break or repair something · clients call · the network delivers · every host gets its time · checkers look

After the last step the network is calmed and everything repaired: the cluster must then get well by itself, in bounded
time, answer everybody, and its members must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from kvcluster.member import Member, MemberConfig, MemberRecord, PeerMessage
from kvcluster.raft import MemoryStorage, Role
from kvcluster.sim.checkers import ElectionSafety, Linearizability, LogMatching, StateEquality
from kvcluster.sim.faults import CrashPoint, FaultOptions, Faults, repair
from kvcluster.sim.history import History
from kvcluster.sim.host import Host
from kvcluster.sim.network import Network, NetworkOptions
from kvcluster.sim.violation import Violation
from kvcluster.sim.workload import Workload, WorkloadOptions


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """Sizes and bounds of a run; the defaults are those of the command."""

    members: int = 3
    steps: int = 1500
    calm_steps: int = 2000
    compare_logs_every: int = 50
    # Of the members, small, so that what is rare in real life happens in every run.
    election_ticks: int = 10
    snapshot_entries: int = 40
    catch_up_entries: int = 10
    network: NetworkOptions = field(default_factory=NetworkOptions)
    faults: FaultOptions = field(default_factory=FaultOptions)
    workload: WorkloadOptions = field(default_factory=WorkloadOptions)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run without a violation did."""

    seed: int
    steps: int
    elections: int
    revision: int
    acknowledged: int
    refused: int
    unknown: int
    faults: int
    messages: int
    trace_hash: str

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.steps} steps, {self.faults} faults, {self.elections} leaders, "
            f"revision {self.revision}, calls {self.acknowledged} acknowledged {self.refused} refused "
            f"{self.unknown} unknown, {self.messages} messages, trace {self.trace_hash[:16]}"
        )


class Simulation:
    """One run. Also the `Site` that faults break and the `Gate` that clients call at."""

    def __init__(
        self, seed: int, options: SimulationOptions | None = None, trace: Callable[[str], None] | None = None
    ) -> None:
        """`trace` is called with every line that goes into the trace's hash."""
        self.seed = seed
        self.options = options or SimulationOptions()
        self.now = 0
        self._print = trace
        self._hash = sha256()
        self.history = History()
        self.election_safety = ElectionSafety()
        self.log_matching = LogMatching()
        self.state_equality = StateEquality()
        self.linearizability = Linearizability(self.history)
        self.network = Network(self._stream("network"), self.options.network)
        self.faults = Faults(self._stream("faults"), self.options.faults)
        self._ids = list(range(1, self.options.members + 1))
        self.hosts = {id: self._build_host(id) for id in self._ids}
        self.workload = Workload(self._stream("workload"), self.options.workload, self, self.linearizability)
        self._seen: dict[int, tuple[int, ...]] = {}

    def _stream(self, name: str) -> Random:
        # Seeding with text goes through SHA-512: independent of PYTHONHASHSEED, unlike hash().
        return Random(f"{self.seed} {name}")

    def _build_host(self, id: int) -> Host:
        storage = MemoryStorage(voters=self._ids)
        config = build_member_config(id, self._ids, self.seed, self.options)
        return Host(config, storage, self.history, self._send, self.log_matching.see_committed)

    def _send(self, messages: Sequence[PeerMessage]) -> None:
        self.network.send(self.now, messages)

    def note(self, text: str) -> None:
        """A line of the trace."""
        line = f"{self.now} {text}"
        self._hash.update(line.encode())
        if self._print is not None:
            self._print(line)

    # The run.

    def run(self) -> Report:
        """Raises Violation."""
        for host in self.hosts.values():
            host.start()
        for _ in range(self.options.steps):
            self.step()
        self._get_well()
        return Report(
            seed=self.seed,
            steps=self.options.steps,
            elections=self.election_safety.elections,
            revision=self.history.last_revision,
            acknowledged=self.workload.acknowledged,
            refused=self.workload.refused,
            unknown=self.workload.unknown,
            faults=self.faults.count,
            messages=self.network.sent,
            trace_hash=self._hash.hexdigest(),
        )

    def step(self, *, faults: bool = True, calling: bool = True) -> None:
        """One step of everything."""
        self.now += 1
        if faults:
            broken = self.faults.step(self.now, self)
            if broken is not None:
                self.note(f"fault: {broken}")
        for line in self.workload.step(self.now, calling=calling):
            self.note(line)
        for message in self.network.deliver(self.now):
            self.hosts[message.to].receive(message)
        for id, host in self.hosts.items():
            host.step(self.now)
            self._look(id, host)
        self.linearizability.check()
        if self.now % self.options.compare_logs_every == 0:
            self._compare_logs()

    def _look(self, id: int, host: Host) -> None:
        """Checks what can be seen of a member after its turn, where that changed."""
        member = host.member
        if member is None:
            self._seen.pop(id, None)
            return
        if member.role == Role.LEADER:
            self.election_safety.see_leader(id, member.term)
        seen = (int(member.role), member.term, member.leader, member.applied_index)
        if self._seen.get(id) == seen:
            return
        self._seen[id] = seen
        store = member.store
        state = (store.revision, store.compacted_revision, store.hash(), member.lessor.snapshot())
        self.state_equality.see_state(id, member.applied_index, state)
        role, term, leader, applied = seen
        self.note(f"member {id} {Role(role).name} term {term} leader {leader} applied {applied} {state[:3]}")

    def _compare_logs(self) -> None:
        self.log_matching.compare({id: host.storage for id, host in self.hosts.items()})

    def _get_well(self) -> None:
        """Faults are over. Raises Violation if the cluster does not get well within the bound."""
        self.network.calm_down()
        repair(self)
        for host in self.hosts.values():
            host.paused_until = 0
            host.crash_point = None
        acknowledged = self.workload.acknowledged
        self._run_until(
            lambda: self.workload.acknowledged > acknowledged + 20, "clients are not answered", calling=True
        )
        self._run_until(lambda: self.workload.is_idle, "calls stay pending", calling=False)
        self._run_until(self._is_settled, "members do not become equal", calling=False)
        self._compare_logs()
        self.linearizability.finish()

    def _run_until(self, is_done: Callable[[], bool], otherwise: str, *, calling: bool) -> None:
        for _ in range(self.options.calm_steps):
            if is_done():
                return
            self.step(faults=False, calling=calling)
        raise Violation(f"{otherwise}, {self.options.calm_steps} steps after the last fault")

    def _is_settled(self) -> bool:
        """Everybody has applied the same, and every watcher has been told all of it."""
        members = [host.member for host in self.hosts.values()]
        if any(member is None for member in members) or self.find_leader() is None:
            return False
        applied = [(member.applied_index, member.commit_index) for member in members if member is not None]
        told = [host.story.last_revision for host in self.hosts.values() if host.story is not None]
        return all(pair == (applied[0][0], applied[0][0]) for pair in applied) and all(
            revision == self.history.last_revision for revision in told
        )

    # Site and Gate.

    @property
    def ids(self) -> Sequence[int]:
        return self._ids

    def find_leader(self) -> int | None:
        """The leader of the newest term, as far as anybody knows."""
        newest: Member | None = None
        for host in self.hosts.values():
            member = host.member
            if member is not None and member.is_leader and (newest is None or member.term > newest.term):
                newest = member
        return None if newest is None else newest.id

    def find_member(self, id: int) -> Member | None:
        host = self.hosts[id]
        return host.member if host.is_running(self.now) else None

    def is_up(self, id: int) -> bool:
        return self.hosts[id].member is not None

    def stop(self, id: int) -> None:
        self.hosts[id].stop()

    def start(self, id: int) -> None:
        self.hosts[id].start()

    def crash_in_next_turn(self, id: int, point: CrashPoint) -> None:
        self.hosts[id].crash_point = point

    def pause(self, id: int, steps: int) -> None:
        self.hosts[id].paused_until = self.now + steps

    def set_steps_per_tick(self, id: int, steps: int) -> None:
        self.hosts[id].steps_per_tick = steps

    def cut(self, sender: int, to: int) -> None:
        self.network.cut(sender, to)

    def heal(self) -> None:
        self.network.heal()

    def compact_log(self, id: int) -> None:
        self.hosts[id].compact_log()


def build_member_config(id: int, ids: Sequence[int], seed: int, options: SimulationOptions) -> MemberConfig:
    """A member as its command line would make it, but for the sizes."""
    records = tuple(MemberRecord(id, f"member {id}", (f"peer://{id}",), (f"client://{id}",)) for id in ids)
    return MemberConfig(
        id=id,
        members=records,
        seed=seed,
        election_ticks=options.election_ticks,
        request_timeout_ticks=30,
        snapshot_entries=options.snapshot_entries,
        catch_up_entries=options.catch_up_entries,
    )
