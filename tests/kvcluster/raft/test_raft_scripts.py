"""Runs testdata/*.txt: groups of members, driven a step at a time, with everything they say written down.

Commands (an id is a member; `quiet` as an argument prints only the outcome):
    add 1 2 3 [pre-vote=no check-quorum=no inflight=N message-bytes=N uncommitted-bytes=N snapshot-ticks=N]
    campaign 1          tick 1 10         tick-until-candidate 3
    propose 1 a b c     read 2 context    transfer 1 3
    ready 1             takes one Ready as the shell's contract says: persist, then put its messages on the network
    deliver 2           hands member 2 everything that is on the network for it
    stabilize [1 2 3]   ready and deliver in turns until nothing moves
    drop 1 2 [type=APP] takes what is on the network from 1 to 2 off it
    isolate 3  heal     messages from and to 3 vanish when they are sent, until healed
    restart 3           a new machine on member 3's storage; what it had not persisted is gone
    unreachable 1 3     reachable 1 3     what the shell of member 1 says of the way to member 3
    snapshot 1 5 [keep=N]   makes a snapshot at index 5 and compacts all but N entries below it
    log 1   state   progress 1   applied 1
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kvcluster.raft import (
    Config,
    MemoryStorage,
    Message,
    ProposalDropped,
    RawNode,
    Role,
    describe_entry,
    describe_message,
    describe_ready,
)

TESTDATA = Path(__file__).parent / "testdata"


class Group:
    """Members, their storages, and the network between them: a list of messages that nobody has seen yet."""

    def __init__(self) -> None:
        self.nodes: dict[int, RawNode] = {}
        self.storages: dict[int, MemoryStorage] = {}
        self.configs: dict[int, Config] = {}
        self.applied: dict[int, list[str]] = {}
        self.network: list[Message] = []
        self.isolated: list[int] = []
        self.lines: list[str] = []

    def execute(self, command) -> str:
        self.lines = []
        handler = getattr(self, "do_" + command.name.replace("-", "_"), None)
        assert handler is not None, f"{command.where}: no command {command.name}"
        quiet = "quiet" in command.arguments
        arguments = [word for word in command.arguments if word != "quiet"]
        try:
            handler(arguments, command.options)
        except (ProposalDropped, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        for node in self.nodes.values():
            node._check()
        return "ok" if quiet else "\n".join(self.lines)

    def do_add(self, arguments, options) -> None:
        ids = [int(word) for word in arguments]
        for id in ids:
            self.storages[id] = MemoryStorage(voters=ids)
            self.configs[id] = Config(
                id=id,
                storage=self.storages[id],
                election_ticks=int(options.get("election", 3)),
                seed=1,
                pre_vote=options.get("pre-vote", "yes") == "yes",
                check_quorum=options.get("check-quorum", "yes") == "yes",
                max_inflight_messages=int(options.get("inflight", 256)),
                max_message_size_bytes=int(options.get("message-bytes", 1 << 20)),
                max_uncommitted_size_bytes=int(options.get("uncommitted-bytes", 1 << 20)),
                snapshot_timeout_ticks=int(options.get("snapshot-ticks", 100)),
            )
            self.nodes[id] = RawNode(self.configs[id])
            self.applied[id] = []

    def do_campaign(self, arguments, options) -> None:
        self.nodes[int(arguments[0])].campaign()

    def do_tick(self, arguments, options) -> None:
        for _ in range(int(arguments[1])):
            self.nodes[int(arguments[0])].tick()

    def do_tick_until_candidate(self, arguments, options) -> None:
        node = self.nodes[int(arguments[0])]
        while node.role is Role.FOLLOWER:
            node.tick()
        self.lines.append(node.role.name)

    def do_propose(self, arguments, options) -> None:
        self.nodes[int(arguments[0])].propose([word.encode() for word in arguments[1:]])

    def do_read(self, arguments, options) -> None:
        asked = self.nodes[int(arguments[0])].read_index(arguments[1].encode())
        self.lines.append("asked" if asked else "no leader")

    def do_transfer(self, arguments, options) -> None:
        self.nodes[int(arguments[0])].transfer_leader(int(arguments[1]))

    def do_unreachable(self, arguments, options) -> None:
        self.nodes[int(arguments[0])].report_unreachable(int(arguments[1]))

    def do_reachable(self, arguments, options) -> None:
        self.nodes[int(arguments[0])].report_reachable(int(arguments[1]))

    def do_report_snapshot(self, arguments, options) -> None:
        self.nodes[int(arguments[0])].report_snapshot(int(arguments[1]), arguments[2] == "ok")

    def do_ready(self, arguments, options) -> None:
        id = int(arguments[0])
        if not self.nodes[id].has_ready():
            self.lines.append("nothing")
            return
        self._ready(id, "")

    def _ready(self, id: int, indent: str) -> None:
        node, storage = self.nodes[id], self.storages[id]
        ready = node.ready()
        self.lines.extend(indent + line for line in describe_ready(ready))
        if ready.snapshot is not None:
            storage.apply_snapshot(ready.snapshot)
            self.applied[id] = ready.snapshot.data.decode().split()
        storage.append(ready.entries)
        if ready.hard_state is not None:
            storage.set_hard_state(ready.hard_state)
        for m in ready.messages:
            if m.to not in self.isolated and m.sender not in self.isolated:
                self.network.append(m)
        node.advance(ready)
        self.applied[id].extend(entry.data.decode() for entry in ready.committed if entry.data)
        storage._check()

    def do_deliver(self, arguments, options) -> None:
        self._deliver(int(arguments[0]), "")

    def _deliver(self, id: int, indent: str) -> None:
        mine = [m for m in self.network if m.to == id]
        self.network = [m for m in self.network if m.to != id]
        for m in mine:
            self.lines.append(f"{indent}{describe_message(m)}")
            self.nodes[id].step(m)

    def do_stabilize(self, arguments, options) -> None:
        ids = [int(word) for word in arguments] or list(self.nodes)
        moved = True
        while moved:
            moved = False
            for id in ids:
                if self.nodes[id].has_ready():
                    moved = True
                    self.lines.append(f"> {id} ready")
                    self._ready(id, "    ")
            for id in ids:
                if any(m.to == id for m in self.network):
                    moved = True
                    self.lines.append(f"> {id} receives")
                    self._deliver(id, "    ")

    def do_drop(self, arguments, options) -> None:
        sender, to = int(arguments[0]), int(arguments[1])
        kept = []
        for m in self.network:
            if m.sender == sender and m.to == to and options.get("type", m.type.name) == m.type.name:
                self.lines.append(f"dropped {describe_message(m)}")
            else:
                kept.append(m)
        self.network = kept

    def do_isolate(self, arguments, options) -> None:
        self.isolated.append(int(arguments[0]))

    def do_heal(self, arguments, options) -> None:
        self.isolated.clear()

    def do_restart(self, arguments, options) -> None:
        id = int(arguments[0])
        snapshot = self.storages[id].snapshot()
        self.applied[id] = snapshot.data.decode().split()
        self.nodes[id] = RawNode(self.configs[id])

    def do_snapshot(self, arguments, options) -> None:
        id, index = int(arguments[0]), int(arguments[1])
        assert self.nodes[id].applied == index, "the state machine is where it is"
        self.storages[id].create_snapshot(index, " ".join(self.applied[id]).encode())
        self.storages[id].compact(index - int(options.get("keep", 0)))

    def do_log(self, arguments, options) -> None:
        storage = self.storages[int(arguments[0])]
        first, last = storage.first_index(), storage.last_index()
        if storage.snapshot().index:
            self.lines.append(f"snapshot {storage.snapshot().term}/{storage.snapshot().index}")
        if first <= last:
            self.lines.extend(describe_entry(entry) for entry in storage.entries(first, last + 1, 1 << 20))

    def do_applied(self, arguments, options) -> None:
        self.lines.append(" ".join(self.applied[int(arguments[0])]) or "nothing")

    def do_state(self, arguments, options) -> None:
        for node in self.nodes.values():
            s = node.status()
            self.lines.append(
                f"{s.id} {s.role.name} term:{s.term} leader:{s.leader} commit:{s.commit} last:{s.last_index}"
            )

    def do_progress(self, arguments, options) -> None:
        for id, p in self.nodes[int(arguments[0])].status().progress.items():
            paused = " paused" if p.is_paused else ""
            self.lines.append(f"{id} {p.state.name} match:{p.match} next:{p.next}{paused}")


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_script(path: Path, run_script):
    run_script(path, Group().execute)
