"""The public face: what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

import pytest

from kvcluster.raft import (
    Config,
    ConfState,
    Entry,
    HardState,
    MemoryStorage,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    Role,
    Snapshot,
    StepRejected,
    build_conf_state,
)


def run(node: RawNode, storage: MemoryStorage) -> list[Message]:
    """The shell's turn, without a network."""
    messages = []
    while node.has_ready():
        ready = node.ready()
        if ready.snapshot is not None:
            storage.apply_snapshot(ready.snapshot)
        storage.append(ready.entries)
        if ready.hard_state is not None:
            storage.set_hard_state(ready.hard_state)
        messages.extend(ready.messages)
        node.advance(ready)
    return messages


def build(voters=(1, 2, 3), **options) -> tuple[RawNode, MemoryStorage]:
    storage = MemoryStorage(voters=voters)
    return RawNode(Config(id=1, storage=storage, **options)), storage


def build_leader(**options) -> tuple[RawNode, MemoryStorage]:
    node, storage = build(pre_vote=False, **options)
    node.campaign()
    run(node, storage)
    node.step(Message(MessageType.VOTE_RESP, 1, 2, 1))
    assert node.role is Role.LEADER
    return node, storage


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"id": 0}, "id must be"),
        ({"election_ticks": 1}, "election_ticks"),
        ({"heartbeat_ticks": 0}, "heartbeat_ticks"),
        ({"max_inflight_messages": 0}, "max_inflight_messages"),
        ({"max_message_size_bytes": 0}, "max_message_size_bytes"),
    ],
)
def test_a_config_that_cannot_work_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Config(**{"id": 1, "storage": MemoryStorage(voters=[1]), **options})


@pytest.mark.parametrize("voters", [(), (0,), (1, 1), (-3,), ("a",)])
def test_a_configuration_that_cannot_be_is_refused(voters):
    with pytest.raises((ValueError, TypeError)):
        build_conf_state(voters)


def test_a_storage_that_lost_its_log_is_refused():
    storage = MemoryStorage(voters=[1])
    storage.set_hard_state(HardState(3, 1, 7))
    with pytest.raises(ValueError, match="entries are lost"):
        RawNode(Config(id=1, storage=storage))


def test_applied_must_be_where_the_log_can_go_on():
    storage = MemoryStorage(voters=[1])
    storage.append([Entry(1, 1, 0, b"a"), Entry(1, 2, 0, b"b")])
    storage.set_hard_state(HardState(1, 1, 2))
    storage.create_snapshot(1, b"a")
    storage.compact(1)
    assert RawNode(Config(id=1, storage=storage)).applied == 1
    assert RawNode(Config(id=1, storage=storage, applied=2)).applied == 2
    for applied in (0, 3):
        with pytest.raises(ValueError, match="applied"):
            RawNode(Config(id=1, storage=storage, applied=applied))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message(MessageType.APP, 2, 3, 1), "came to member 1"),
        (Message(MessageType.APP, 1, 1, 1), "came to member 1"),
        (Message(MessageType.APP, 1, 0, 1), "came to member 1"),
        (Message(MessageType.APP, 1, 2), "has no term"),
        (Message(MessageType.APP, 1, 2, 5, index=3, entries=[Entry(5, 9, 0, b"")]), "do not follow"),
        (Message(MessageType.HEARTBEAT, 1, 2, 5, commit=9), "was the log lost"),
        (Message(MessageType.SNAP, 1, 2, 5), "no snapshot"),
        (Message(MessageType.PROP, 1, 2, entries=[Entry(0, 0, 0, b"")]), "empty proposal"),
    ],
)
def test_a_message_that_no_correct_member_sends_changes_nothing(message, text):
    node, _ = build()
    before = node.status()
    with pytest.raises(StepRejected, match=text):
        node.step(message)
    assert node.status() == before
    assert not node.has_ready()


def test_a_leader_refuses_what_another_leader_of_its_term_says():
    node, storage = build_leader()
    run(node, storage)
    before = node.status()
    with pytest.raises(StepRejected, match="a second leader"):
        node.step(Message(MessageType.HEARTBEAT, 1, 3, node.term))
    with pytest.raises(StepRejected, match="above the last"):
        node.step(Message(MessageType.APP_RESP, 1, 3, node.term, index=99))
    assert node.status() == before


def test_proposals_without_a_leader_are_dropped_and_empty_ones_refused():
    node, storage = build()
    with pytest.raises(ProposalDropped):
        node.propose([b"x"])
    assert node.read_index(b"r") is False
    with pytest.raises(ValueError, match="empty"):
        node.propose([b"x", b""])
    node.propose([])
    assert not node.has_ready()


def test_a_follower_forwards_and_a_dropped_forward_is_silent():
    node, storage = build()
    node.step(Message(MessageType.HEARTBEAT, 1, 2, 1))
    run(node, storage)
    node.propose([b"x", b"y"])
    (sent,) = run(node, storage)
    assert (sent.type, sent.to, [entry.data for entry in sent.entries]) == (MessageType.PROP, 2, [b"x", b"y"])
    lonely, _ = build()
    lonely.step(sent._replace(to=1, sender=2))
    assert not lonely.has_ready()


def test_one_ready_at_a_time():
    node, storage = build((1,))
    node.campaign()
    ready = node.ready()
    assert not node.has_ready()
    with pytest.raises(RuntimeError, match="not been advanced"):
        node.ready()
    storage.append(ready.entries)
    node.advance(ready)
    with pytest.raises(ValueError, match="taken last"):
        node.advance(ready)


def test_inputs_may_come_while_a_ready_is_being_persisted():
    node, storage = build((1,))
    node.campaign()
    ready = node.ready()
    node.propose([b"later"])
    storage.append(ready.entries)
    node.advance(ready)
    assert [entry.data for entry in ready.committed] == [b""]
    following = node.ready()
    assert [entry.data for entry in following.entries] == [b"later"]
    assert [entry.data for entry in following.committed] == [b"later"]


def test_a_tail_replaced_while_it_is_being_persisted_stays_unstable():
    node, storage = build()
    node.step(Message(MessageType.APP, 1, 2, 1, entries=[Entry(1, 1, 0, b"old")]))
    ready = node.ready()
    node.step(Message(MessageType.APP, 1, 3, 2, entries=[Entry(2, 1, 0, b"new")]))
    storage.append(ready.entries)
    node.advance(ready)
    run(node, storage)
    assert storage.entries(1, 2, 100) == [Entry(2, 1, 0, b"new")]


def test_an_append_commits_no_more_than_what_it_vouches_for():
    """The tail behind the append's entries may be another leader's, although the leader has committed that far."""
    node, storage = build()
    node.step(Message(MessageType.APP, 1, 2, 1, entries=[Entry(1, 1, 0, b"x"), Entry(1, 2, 0, b"wrong")]))
    node.step(Message(MessageType.APP, 1, 3, 2, entries=[Entry(1, 1, 0, b"x")], commit=2))
    assert node.commit == 1


def test_only_a_moved_commit_index_need_not_be_waited_for():
    node, storage = build()
    node.step(Message(MessageType.APP, 1, 2, 1, entries=[Entry(1, 1, 0, b"x")]))
    ready = node.ready()
    assert ready.must_sync
    storage.append(ready.entries)
    node.advance(ready)
    node.step(Message(MessageType.HEARTBEAT, 1, 2, 1, commit=1))
    assert not node.ready().must_sync


def test_the_work_of_one_ready_is_bounded():
    node, storage = build((1,), max_committed_size_bytes=3)
    node.campaign()
    run(node, storage)
    node.propose([b"aa", b"bb", b"c"])
    seen = []
    while node.has_ready():
        ready = node.ready()
        storage.append(ready.entries)
        seen.append([entry.data for entry in ready.committed])
        node.advance(ready)
    assert seen == [[b"aa"], [b"bb", b"c"]]


def test_reads_beyond_the_bound_are_dropped():
    node, storage = build_leader(max_pending_reads=2)
    for name in (b"a", b"b", b"c"):
        assert node.read_index(name)
    run(node, storage)
    node.step(Message(MessageType.APP_RESP, 1, 2, 1, index=1))
    sent = run(node, storage)
    round_context = max(m.context for m in sent if m.type is MessageType.HEARTBEAT)
    node.step(Message(MessageType.HEARTBEAT_RESP, 1, 2, 1, context=round_context))
    assert [state.context for state in node.ready().read_states] == [b"a", b"b"]


def test_a_failed_snapshot_is_followed_by_a_probe_and_a_delivered_one_is_awaited():
    node, storage = build_leader()
    node.propose([b"a", b"b"])
    run(node, storage)
    node.step(Message(MessageType.APP_RESP, 1, 2, 1, index=3))
    run(node, storage)
    storage.create_snapshot(3, b"ab")
    storage.compact(3)
    refusal = Message(MessageType.APP_RESP, 1, 3, 1, index=0, reject=True)
    node.step(refusal)
    node.step(Message(MessageType.HEARTBEAT_RESP, 1, 3, 1))
    assert [m.type for m in run(node, storage) if m.to == 3][-1] is MessageType.SNAP
    assert node.status().progress[3].state.name == "SNAPSHOT"
    node.report_snapshot(3, False)
    assert (node.status().progress[3].state.name, node.status().progress[3].next) == ("PROBE", 1)
    node.step(Message(MessageType.HEARTBEAT_RESP, 1, 3, 1))
    run(node, storage)
    node.report_snapshot(3, True)
    assert (node.status().progress[3].state.name, node.status().progress[3].next) == ("PROBE", 4)
    assert node.status().progress[3].is_paused


def test_a_member_with_a_pending_snapshot_does_not_campaign_and_one_not_named_in_it_ignores_it():
    node, storage = build()
    conf_state = ConfState((1, 2, 3))
    node.step(Message(MessageType.SNAP, 1, 2, 1, snapshot=Snapshot(5, 1, ConfState((2, 3)), b"s")))
    assert node.commit == 0
    node.step(Message(MessageType.SNAP, 1, 2, 1, snapshot=Snapshot(5, 1, conf_state, b"s")))
    node.campaign()
    assert node.role is Role.FOLLOWER
    run(node, storage)
    assert (node.commit, node.applied, storage.first_index()) == (5, 5, 6)
    node.campaign()
    assert node.role is Role.PRE_CANDIDATE


def test_a_learner_follows_and_never_campaigns():
    storage = MemoryStorage(voters=[2], learners=[1])
    node = RawNode(Config(id=1, storage=storage))
    for _ in range(100):
        node.tick()
    node.campaign()
    assert node.role is Role.FOLLOWER
    node.step(Message(MessageType.APP, 1, 2, 1, entries=[Entry(1, 1, 0, b"x")], commit=1))
    assert [entry.data for entry in node.ready().committed] == [b"x"]


def test_election_timeouts_differ_by_member_and_repeat_by_seed():
    def timeout(id: int, seed: int) -> int:
        node = RawNode(Config(id=id, storage=MemoryStorage(voters=[1, 2, 3]), seed=seed, election_ticks=1000))
        ticks = 0
        while node.role is Role.FOLLOWER:
            node.tick()
            ticks += 1
        return ticks

    timeouts = [timeout(id, 7) for id in (1, 2, 3)]
    assert timeouts == [timeout(id, 7) for id in (1, 2, 3)]
    assert len(set(timeouts)) == 3
    assert all(1000 <= ticks < 2000 for ticks in timeouts)


def test_an_idle_single_member_has_nothing_to_do():
    node, storage = build((1,))
    node.campaign()
    run(node, storage)
    for _ in range(50):
        node.tick()
        assert not node.has_ready()
    assert node.role is Role.LEADER
