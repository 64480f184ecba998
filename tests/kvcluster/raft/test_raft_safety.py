"""Raft's promises (Raft, figure 3) on a network that loses, repeats, reorders and cuts, under many seeds.

    election safety        one leader a term
    log matching           same index and term: same entry, and the same ones below
    leader completeness    a leader has everything that was committed before its term
    state machine safety   nobody applies another entry at an index

These run on the consensus machine alone and are small; the simulator (kvcluster.sim) does it with whole members.
"""

from __future__ import annotations

from random import Random

import pytest

from kvcluster.raft import Config, Entry, MemoryStorage, Message, ProposalDropped, RawNode, Ready, Role


class Network:
    """Three members. Chance is one Random; a message is as likely to be reordered as not."""

    def __init__(self, seed: int, members: int, **options) -> None:
        self.random = Random(seed)
        self.ids = list(range(1, members + 1))
        self.storages = {id: MemoryStorage(voters=self.ids) for id in self.ids}
        self.options = {"election_ticks": 5, "seed": seed, "snapshot_timeout_ticks": 10, **options}
        self.nodes: dict[int, RawNode] = {}
        self.applied: dict[int, list[Entry]] = {id: [] for id in self.ids}
        self.messages: list[Message] = []
        self.cut: int = 0  # the member that nobody hears
        self.slow: dict[int, Ready] = {}  # a Ready that its member's disk has not finished with
        self.committed: list[Entry] = []  # the longest history anybody applied
        self.leaders: dict[int, int] = {}
        self.reads: dict[bytes, int] = {}  # context -> what was committed when it was asked
        self.answered = 0
        for id in self.ids:
            self.start(id)

    def start(self, id: int) -> None:
        storage = self.storages[id]
        self.slow.pop(id, None)  # it had not been persisted: nobody has seen it
        self.applied[id] = self.applied[id][: storage.snapshot().index]
        self.nodes[id] = RawNode(Config(id=id, storage=storage, **self.options))

    def act(self, step: int) -> None:
        """One thing happens to one member; then the network and the shells move a little."""
        dice = self.random.random()
        id = self.random.choice(self.ids)
        node = self.nodes[id]
        if dice < 0.40:
            node.tick()
        elif dice < 0.60:
            try:
                node.propose([f"{step}.{n}".encode() for n in range(self.random.randint(1, 3))])
            except ProposalDropped:
                pass
        elif dice < 0.70:
            context = f"read {step}".encode()
            self.reads[context] = len(self.committed)
            node.read_index(context)
        elif dice < 0.72:
            self.start(id)
        elif dice < 0.74:
            self.cut = self.random.choice([0, 0, *self.ids])
        elif dice < 0.75:
            node.transfer_leader(self.random.choice(self.ids))
        elif dice < 0.77:
            node.report_unreachable(self.random.choice(self.ids))
        elif dice < 0.80 and node.applied > self.storages[id].snapshot().index:
            self.compact(id)
        for _ in range(2):
            self.deliver()
            self.take_ready(self.random.choice(self.ids))

    def deliver(self) -> None:
        if self.messages:
            m = self.messages.pop(self.random.randrange(len(self.messages)))
            chance = self.random.random()
            if chance < 0.05:
                self.messages.append(m)  # and again later
            if chance < 0.9 and self.cut not in (m.to, m.sender):
                self.nodes[m.to].step(m)

    def compact(self, id: int) -> None:
        storage = self.storages[id]
        storage.create_snapshot(self.nodes[id].applied, b"%d" % self.nodes[id].applied)
        keep = storage.snapshot().index - self.random.randint(0, 5)
        if keep >= storage.first_index():
            storage.compact(keep)

    def take_ready(self, id: int) -> None:
        """Takes a Ready and either finishes with it at once or leaves it with the disk for a while."""
        node = self.nodes[id]
        if id in self.slow:
            self.finish(id, self.slow.pop(id))
        elif node.has_ready():
            ready = node.ready()
            if self.random.random() < 0.2:
                self.slow[id] = ready
            else:
                self.finish(id, ready)
        node._check()
        if node.role is Role.LEADER:
            assert self.leaders.setdefault(node.term, id) == id, f"two leaders in term {node.term}"

    def finish(self, id: int, ready: Ready) -> None:
        node, storage = self.nodes[id], self.storages[id]
        if ready.snapshot is not None:
            storage.apply_snapshot(ready.snapshot)
            self.applied[id] = self.committed[: ready.snapshot.index]
            assert len(self.applied[id]) == ready.snapshot.index, "a snapshot of what nobody applied"
        storage.append(ready.entries)
        if ready.hard_state is not None:
            storage.set_hard_state(ready.hard_state)
        self.messages.extend(ready.messages)
        node.advance(ready)
        self.apply(id, ready.committed)
        for state in ready.read_states:
            self.answered += 1
            assert state.index >= self.reads[state.context], "a stale read"
        storage._check()

    def apply(self, id: int, entries: list[Entry]) -> None:
        for entry in entries:
            assert entry.index == len(self.applied[id]) + 1
            self.applied[id].append(entry)
            if entry.index > len(self.committed):
                self.committed.append(entry)
                assert entry.index == len(self.committed)
            assert self.committed[entry.index - 1] == entry, "two entries applied at one index"

    def check_logs(self) -> None:
        logs = []
        for id in self.ids:
            storage = self.storages[id]
            first, last = storage.first_index(), storage.last_index()
            logs.append({entry.index: entry for entry in storage.entries(first, last + 1, 1 << 30)} if last else {})
        for one in logs:
            for other in logs:
                shared = sorted(i for i in one if i in other and one[i].term == other[i].term)
                for index in shared:
                    assert one[index] == other[index]
                if shared:
                    below = [i for i in one if i < shared[-1] and i in other]
                    assert all(one[i] == other[i] for i in below)

    def check_leader(self) -> None:
        """The leader of the newest term, if it has applied in its term, has everything that was ever committed."""
        leaders = [node for node in self.nodes.values() if node.role is Role.LEADER]
        if leaders:
            newest = max(leaders, key=lambda node: node.term)
            storage = self.storages[newest.id]
            for entry in self.committed[storage.first_index() - 1 :]:
                if entry.term < newest.term:
                    assert entry.index <= storage.last_index() or newest.has_ready()

    def calm(self) -> None:
        """No more faults: the group must get going again and agree."""
        self.cut = 0
        for _ in range(400):
            for id in self.ids:
                self.nodes[id].tick()
            for _ in range(6):
                for id in self.ids:
                    self.take_ready(id)
                self.messages, sent = [], self.messages
                for m in sent:
                    self.nodes[m.to].step(m)


@pytest.mark.parametrize("seed", range(24))
def test_promises_hold(seed: int):
    options = [
        {},
        {"pre_vote": False},
        {"check_quorum": False},
        {"max_message_size_bytes": 4, "max_inflight_messages": 2},
    ][seed % 4]
    network = Network(seed, 3 if seed % 3 else 5, **options)
    for step in range(2500):
        network.act(step)
        if step % 100 == 0:
            network.check_logs()
            network.check_leader()
    network.calm()
    network.check_logs()
    leaders = [node for node in network.nodes.values() if node.role is Role.LEADER]
    assert len(leaders) == 1, "no leader although nothing stands in the way"
    leaders[0].propose([b"the end"])
    network.calm()
    assert all(applied[-1].data == b"the end" for applied in network.applied.values())
    assert len({len(applied) for applied in network.applied.values()}) == 1
    assert network.answered > 0
