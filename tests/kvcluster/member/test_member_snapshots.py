"""Snapshots, pruning, catching up, restarts; and the bytes of all that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster import pb
from kvcluster.apply import State
from kvcluster.errors import CorruptSnapshotError
from kvcluster.lease import Lessor
from kvcluster.member import LeaseAnswer, LeaseRequest, decode_peer_message, encode_peer_message, ops
from kvcluster.member.snapshot import encode_state, load_state
from kvcluster.mvcc import Store
from kvcluster.raft import Message, MessageType
from kvcluster.watch import Hub, Subscription


class Watcher:
    """A sink that decodes what it gets."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bytes]] = []

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        for event in pb.WatchResponse.FromString(events).events:
            self.seen.append((event.kv.mod_revision, event.kv.key))
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        raise AssertionError("nothing is compacted here")


def test_the_log_is_pruned_behind_snapshots(box: Any) -> None:
    """However little the entries weigh: the store that is compacted now and then stays small, and so does the log."""
    network = box.network(1, snapshot_entries=50, catch_up_entries=10)
    network.pump()
    member, storage = network[1], network.machines[1].storage
    for number in range(1000):
        box.put(member, b"k", b"1")
        if number % 20 == 19:
            request = pb.CompactionRequest(revision=member.store.revision)
            member.propose(ops.COMPACT, request.SerializeToString(), lambda applied: None)
        network.pump()
        assert storage.last_index() - storage.first_index() < 200
    assert storage.snapshot().index > 800


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_a_restart_on_the_same_storage_loses_nothing(box: Any, with_snapshot: bool) -> None:
    network = box.network(1)
    network.pump()
    box.grant(network[1], 7, 60)
    box.put(network[1], b"a", b"1", lease=7)
    network.pump()
    if with_snapshot:
        network[1].create_snapshot()
    late = box.put(network[1], b"b")
    network.pump()
    old = network[1]
    machine = network.machines[1]
    machine.restart()
    network.pump()
    assert late.only.error is None and len(late) == 1
    assert network[1].store.hash() == old.store.hash() and network[1].term > old.term
    assert network[1].lessor.get(7).keys == [b"a"] and network[1].members() == old.members()
    assert box.put(network[1], b"c") == []
    network.pump()
    assert network[1].store.revision == 4


def test_a_lagging_follower_catches_up_by_snapshot_and_its_watchers_lose_nothing(box: Any) -> None:
    network = box.network(3, snapshot_entries=20, catch_up_entries=5)
    leader = network.settle()
    follower = network.follower()
    watcher = Watcher()
    follower.hub.subscribe(b"\0", b"\0", sink=watcher)
    for number in range(5):
        box.put(leader, b"early%d" % number)
        network.pump()
    network.tick(2)
    network.machines[follower.id].is_cut = True
    for number in range(100):
        box.put(leader, b"k%d" % number)
        network.pump()
    storage = network.machines[follower.id].storage
    assert network.machines[leader.id].storage.first_index() > storage.last_index() + 1
    network.machines[follower.id].is_cut = False
    for _ in range(100):
        network.tick()
        if follower.applied_index == network[leader.id].applied_index and follower.store.revision >= 106:
            break
    assert storage.snapshot().index > 0 and follower.store.hash() == leader.store.hash()
    assert [revision for revision, _ in watcher.seen] == list(range(2, 107))
    box.put(follower, b"after")
    network.tick(3)
    assert watcher.seen[-1] == (107, b"after")


def test_background_frees_what_is_compacted_and_tells_who_waits(box: Any, alone: Any) -> None:
    member, machine = alone[1], alone.machines[1]
    for number in range(3000):
        box.put(member, b"k", b"%d" % number)
    alone.pump()
    size = member.store.size_bytes
    member.propose(ops.COMPACT, pb.CompactionRequest(revision=3001).SerializeToString(), lambda applied: None)
    while member.has_ready():
        ready = member.ready()
        machine.storage.append(ready.entries)
        member.advance(ready)
    freed = box.answers()
    member.when_compacted(freed)
    assert member.background() and not freed and member.store.size_bytes < size
    while member.background():
        pass
    assert freed.only.error is None and freed.only.revision == 3001
    nothing = box.answers()
    member.when_compacted(nothing)
    member.background()
    assert nothing.only.error is None


# ---- bytes ----


def new_state() -> State:
    store = Store()
    return State(store, Lessor(), Hub(store))


def filled_state() -> State:
    state = new_state()
    state.lessor.grant(7, 60)
    for number in range(5):
        state.store.put(b"k%d" % (number % 2), b"v", 7)
        state.lessor.attach(b"k%d" % (number % 2), 7)
    state.attributes[1 << 63] = ("käse", ("http://a", "http://b"))
    return state


def test_a_state_survives_its_bytes() -> None:
    state, loaded = filled_state(), new_state()
    data = encode_state(state)
    load_state(loaded, [data])
    assert encode_state(loaded) == data
    assert loaded.attributes == state.attributes and loaded.store.hash() == state.store.hash()
    assert loaded.lessor.get(7).keys == [b"k0", b"k1"] and loaded.hub.revision == 6


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_and_change_nothing(data: Any) -> None:
    good = encode_state(filled_state())
    kind = data.draw(st.sampled_from(["flip", "cut", "longer", "noise"]))
    at = data.draw(st.integers(0, len(good) - 1))
    if kind == "flip":
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    elif kind == "cut":
        bad = good[:at]
    else:
        bad = good + b"x" if kind == "longer" else data.draw(st.binary(max_size=50))
    state = filled_state()
    state.store.put(b"mine", b"1")
    state.hub.publish(7, state.store.batches(7, 1)[0]) if state.hub.revision == 6 else None
    before = encode_state(state)
    try:
        load_state(state, [bad])
    except CorruptSnapshotError:
        assert encode_state(state) == before
    else:
        assert kind == "flip" and encode_state(state) == good  # a byte that is reserved, and says nothing


uint64s = st.integers(0, 2**64 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
questions = st.builds(LeaseRequest, st.sampled_from([1, 2]), uint64s, uint64s, uint64s, int64s)
lease_answers = st.builds(
    LeaseAnswer, uint64s, uint64s, uint64s, int64s, int64s, st.lists(st.binary(max_size=20), max_size=4).map(tuple)
)


@given(questions | lease_answers)
def test_peer_messages_survive_their_bytes(message: Any) -> None:
    assert decode_peer_message(encode_peer_message(message)) == message


def test_raft_messages_survive_their_bytes() -> None:
    message = Message(MessageType.HEARTBEAT, to=2, sender=1, term=3, entries=[])
    assert decode_peer_message(encode_peer_message(message)) == message


@given(
    st.binary(max_size=120) | st.tuples(st.sampled_from([b"\0", b"\1", b"\2"]), st.binary(max_size=120)).map(b"".join)
)
def test_garbage_is_a_value_error_or_a_message(data: bytes) -> None:
    try:
        message = decode_peer_message(data)
    except ValueError:
        return
    assert decode_peer_message(encode_peer_message(message)) == message


@given(questions | lease_answers, st.data())
def test_messages_cut_short_or_too_long_are_refused(message: Any, data: Any) -> None:
    encoded = encode_peer_message(message)
    with pytest.raises(ValueError):
        decode_peer_message(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    with pytest.raises(ValueError):
        decode_peer_message(encoded + b"x")
