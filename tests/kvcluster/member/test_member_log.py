"""The log stays bounded, and snapshots are made only when somebody needs one, in steps, while the member goes on."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from kvcluster import pb
from kvcluster.apply import State
from kvcluster.lease import Lessor
from kvcluster.member import log_keeper, ops
from kvcluster.member.snapshot import StateDecoder, StateEncoder, encode_state
from kvcluster.mvcc import Store
from kvcluster.raft import MessageType, SnapshotUnavailable
from kvcluster.watch import Hub

SMALL = {"catch_up_entries": 10, "snapshot_hold_ticks": 3}


def _compact(member: Any) -> None:
    request = pb.CompactionRequest(revision=member.store.revision)
    member.propose(ops.COMPACT, request.SerializeToString(), lambda applied: None)


def _cut_off(network: Any, box: Any, puts: int) -> tuple[Any, Any]:
    """A follower that is away for so many puts; (leader, follower)."""
    leader = network.settle()
    follower = network.follower()
    network.machines[follower.id].is_cut = True
    for number in range(puts):
        box.put(leader, b"k%d" % (number % 50), b"%d" % number)
        network.pump()
    return leader, follower


def _catch_up(network: Any, follower: Any, leader: Any) -> None:
    network.machines[follower.id].is_cut = False
    for _ in range(100):
        network.tick()
        if follower.applied_index == leader.applied_index:
            return
    raise AssertionError("it does not catch up")


# ---- volatile ----


def test_one_member_alone_never_encodes_anything(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_keeper, "StateEncoder", None)
    network = box.network(1, is_volatile=True, snapshot_entries=5, **SMALL)
    network.pump()
    storage = network.machines[1].storage
    for number in range(500):
        box.put(network[1], b"k%d" % number)
        network.pump()
        assert storage.last_index() - storage.first_index() <= 21
    storage._check()
    network.check()


def test_a_volatile_log_weighs_little_whatever_the_entries(box: Any) -> None:
    network = box.network(1, is_volatile=True, catch_up_entries=1000, max_catch_up_bytes=300_000)
    network.pump()
    member, storage = network[1], network.machines[1].storage
    for _ in range(100):
        for _ in range(10):
            box.put(member, b"k", b"v" * 2000)
        network.pump()
    kept = storage.entries(storage.first_index(), storage.last_index() + 1, 1 << 30)
    weight = sum(len(entry.data) + log_keeper.ENTRY_OVERHEAD_BYTES for entry in kept)
    assert weight <= 300_000 + log_keeper.SPAN_BYTES
    assert abs(member._log.log_bytes - weight) <= log_keeper.SPAN_BYTES


def test_who_lags_gets_a_snapshot_that_is_made_for_it_and_let_go_of(box: Any) -> None:
    network = box.network(3, is_volatile=True, **SMALL)
    leader, follower = _cut_off(network, box, 300)
    storage = network.machines[leader.id].storage
    assert storage.first_index() > network.machines[follower.id].storage.last_index() + 1
    assert not storage.wants_snapshot and storage._snapshot.index == 0
    sent: list[Any] = []
    network.drop = lambda message: False if getattr(message, "snapshot", None) is None else bool(sent.append(message))
    _catch_up(network, follower, leader)
    assert len(sent) == 1 and follower.store.hash() == leader.store.hash()
    network.tick(10)
    assert storage._snapshot.index == 0, "nobody needs it any more"
    with pytest.raises(SnapshotUnavailable):
        storage.snapshot()
    box.put(leader, b"after")
    network.tick(2)
    assert follower.store.hash() == leader.store.hash()
    network.check()


def test_a_snapshot_that_is_lost_is_sent_again(box: Any) -> None:
    network = box.network(3, is_volatile=True, **SMALL)
    leader, follower = _cut_off(network, box, 100)
    lost: list[Any] = []

    def drop(message: Any) -> bool:
        is_snapshot = getattr(message, "type", None) == MessageType.SNAP
        if is_snapshot and len(lost) < 1:
            lost.append(message)
            return True
        return False

    network.drop = drop
    network.machines[follower.id].is_cut = False
    network.tick(130)  # raft gives a snapshot 100 ticks to arrive
    assert len(lost) == 1 and follower.store.hash() == leader.store.hash()


def test_the_log_waits_for_a_snapshot_and_the_store_goes_on(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is being made, entries behind it stay, keys change and compactions wait; then all is made good."""
    monkeypatch.setattr(log_keeper, "STEP_RECORDS", 1)
    network = box.network(3, is_volatile=True, **SMALL)
    leader, follower = _cut_off(network, box, 200)
    machine = network.machines[leader.id]
    machine.background_steps = 1
    network.machines[follower.id].is_cut = False
    while not leader._log.is_making:
        network.tick()
    index = leader._log._encoder_index
    for number in range(30):
        box.put(leader, b"k%d" % number, b"while")
        if number % 7 == 0:
            _compact(leader)
        network.pump()
        assert leader._log.is_making and machine.storage.first_index() <= index + 1
    machine.background_steps = None
    _catch_up(network, follower, leader)
    assert follower.store.hash() == leader.store.hash() and follower.store.snapshot() == leader.store.snapshot()
    network.tick(10)
    assert machine.storage.last_index() - machine.storage.first_index() <= 21
    network.check()


def test_a_log_that_waits_too_long_gives_the_snapshot_up(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_keeper, "STEP_RECORDS", 1)
    network = box.network(3, is_volatile=True, max_log_bytes=60_000, max_catch_up_bytes=30_000, **SMALL)
    leader, follower = _cut_off(network, box, 200)
    machine = network.machines[leader.id]
    machine.background_steps = 1
    network.machines[follower.id].is_cut = False
    while not leader._log.is_making:
        network.tick()
    network.machines[follower.id].is_cut = True
    machine.background_steps = 0
    for _ in range(30):
        box.put(leader, b"large", b"v" * 2000)
        network.pump()
    machine.background_steps = None
    network.pump()
    assert not leader._log.is_making and leader._log.log_bytes < 60_000
    _catch_up(network, follower, leader)
    assert follower.store.hash() == leader.store.hash()


def test_a_member_on_a_volatile_storage_that_was_used_is_refused(box: Any) -> None:
    network = box.network(1, is_volatile=True, **SMALL)
    network.pump()
    for _ in range(100):
        box.put(network[1], b"k")
    network.pump()
    with pytest.raises(SnapshotUnavailable):
        network.machines[1].restart()


# ---- durable ----


def test_a_durable_log_is_pruned_at_its_bound_however_large_the_snapshot(box: Any) -> None:
    network = box.network(1, snapshot_entries=5, max_log_bytes=50_000, max_catch_up_bytes=25_000, **SMALL)
    network.pump()
    member, storage = network[1], network.machines[1].storage
    made = []
    for number in range(300):
        box.put(member, b"k%d" % number, b"v" * 2000)
        network.pump()
        assert member._log.log_bytes <= 50_000 + 3 * 10 * 2200
        if storage.snapshot().index not in made:
            made.append(storage.snapshot().index)
    assert storage.snapshot().size_bytes > 300_000 and len(made) < 30


@pytest.mark.parametrize("seed", range(5))
def test_a_restart_in_the_middle_of_a_snapshot_loses_nothing(
    box: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(log_keeper, "STEP_RECORDS", 3)
    dice = Random(seed)
    network = box.network(1, snapshot_entries=20, **SMALL)
    network.pump()
    machine = network.machines[1]
    machine.background_steps = 1
    restarts_in_the_middle = 0
    for number in range(400):
        box.put(network[1], b"k%d" % dice.randrange(30), b"%d" % number)
        if dice.random() < 0.05:
            _compact(network[1])
        network.pump()
        if dice.random() < 0.05:
            wanted = network[1].store.snapshot()
            restarts_in_the_middle += network[1]._log.is_making
            machine.restart()
            network.pump()
            assert network[1].store.snapshot() == wanted
    assert machine.storage.snapshot().index and restarts_in_the_middle


# ---- bytes ----


def _filled_state() -> State:
    store = Store()
    state = State(store, Lessor(), Hub(store))
    state.lessor.grant(7, 60)
    for number in range(500):
        store.put(b"k%d" % (number % 200), b"v" * number)
    store.compact(300)
    state.attributes[9] = ("m", ("http://a",))
    return state


def test_in_steps_a_state_is_the_same_bytes_taken_at_one_moment() -> None:
    state = _filled_state()
    wanted = encode_state(state)
    encoder = StateEncoder(state)
    while encoder.step(20):
        state.store.put(b"k1", b"later")
        state.attributes[9] = ("later", ())
    chunks = encoder.chunks()
    encoder.close()
    assert b"".join(chunks) == wanted and encoder.size_bytes <= len(wanted) and len(chunks) > 20
    store = Store()
    other = State(store, Lessor(), Hub(store))
    decoder = StateDecoder(chunks)
    while decoder.step(7):
        pass
    assert not other.attributes and store.revision == 1, "nothing is changed before the last step"
    decoder.adopt_into(other)
    assert encode_state(other) == wanted
