"""Proposals and reads: answered once, in order, in time."""

from __future__ import annotations

from typing import Any

from kvcluster.errors import (
    LeaderChangedError,
    RequestTimeoutError,
    RequestTooLargeError,
    StoppedError,
    TooManyRequestsError,
)
from kvcluster.raft import MessageType


def test_a_lone_member_leads_at_once_and_publishes_itself_once(alone: Any) -> None:
    member = alone[1]
    assert member.leader == 1 and member.is_published
    assert [(record.name, record.client_urls) for record in member.members()] == [("m1", ("http://c1",))]
    log = [
        entry[3] for entry in alone.machines[1].storage.entries(1, alone.machines[1].storage.last_index() + 1, 1 << 30)
    ]
    alone.tick(50)
    assert alone.machines[1].storage.last_index() == len(log)


def test_proposals_of_one_turn_are_answered_in_order(alone: Any, box: Any) -> None:
    answers = box.answers()
    member = alone[1]
    for number in range(5):
        one = box.put(member, b"k%d" % number)
        assert not one
    member.read_barrier(answers)
    alone.pump()
    assert answers.only is None and member.store.revision == 6
    order: list[int] = []
    for number in range(5):
        member.propose(1, b"\x0a\x01k", lambda applied, number=number: order.append((number, applied.revision)))
    alone.pump()
    assert order == [(n, 7 + n) for n in range(5)]


def test_a_follower_s_proposal_is_answered_by_the_follower(three: Any, box: Any) -> None:
    answers = box.put(three.follower(), b"k")
    three.pump()
    three.tick()
    assert answers.only.error is None and answers.only.revision == 2
    assert {machine.member.store.revision for machine in three.machines.values()} == {2}


def test_attributes_are_published_once_by_each(three: Any) -> None:
    leader = three.settle()
    records = [(record.id, record.name, record.client_urls) for record in leader.members()]
    assert records == [(n, f"m{n}", (f"http://c{n}",)) for n in (1, 2, 3)]
    storage = three.machines[leader.id].storage
    entries = storage.entries(1, storage.last_index() + 1, 1 << 30)
    assert sum(entry[3][:1] == b"\x07" for entry in entries) == 3


def test_without_a_leader_requests_wait_time_out_and_are_not_proposed_later(box: Any) -> None:
    network = box.network(3, request_timeout_ticks=20)
    for machine in network.machines.values():
        machine.is_cut = True
    write, read, renewal = box.put(network[1], b"late"), box.answers(), box.answers()
    network[1].read_barrier(read)
    network[1].renew_lease(7, renewal)
    network.tick(19)
    assert not write and not read and not renewal
    network.tick(1)
    assert str(write.only.error) == "etcdserver: request timed out"
    assert isinstance(read.only, RequestTimeoutError) and isinstance(renewal.only, RequestTimeoutError)
    for machine in network.machines.values():
        machine.is_cut = False
    network.settle()
    assert network[1].store.get(b"late") is None and network[1].pending_count == 0


def test_a_leader_cut_off_times_out_what_it_proposed(box: Any) -> None:
    network = box.network(3)
    leader = network.settle()
    network.machines[leader.id].is_cut = True
    write = box.put(leader, b"k")
    network.tick(70)
    assert isinstance(write.only.error, RequestTimeoutError)


def test_reads_of_a_turn_share_one_question(three: Any, box: Any) -> None:
    follower = three.follower()
    machine = three.machines[follower.id]
    before = machine.read_indexes
    answers = box.answers()
    for _ in range(10):
        follower.read_barrier(answers)
    three.pump()
    assert answers == [None] * 10 and machine.read_indexes == before + 1


def test_a_read_sees_what_was_acknowledged_before_it(three: Any, box: Any) -> None:
    leader, follower = three.settle(), three.follower()
    for number in range(5):
        write = box.put(leader, b"k%d" % number)
        while not write:
            three.pump()
        read = box.answers()
        follower.read_barrier(lambda error, read=read: read(follower.store.revision))
        three.pump()
        assert read.only >= write.only.revision


def test_a_change_of_leader_fails_the_reads_that_were_asked(box: Any) -> None:
    network = box.network(3, read_retry_ticks=1000, request_timeout_ticks=1000)
    leader, asked, read = network.settle(), network.follower(), box.answers()
    network.machines[leader.id].is_cut = True
    asked.read_barrier(read)
    network.pump()
    assert not read
    network.tick(60)
    assert isinstance(read.only, LeaderChangedError)


def test_a_lost_question_is_asked_again(three: Any, box: Any) -> None:
    follower, read = three.follower(), box.answers()
    three.drop = lambda message: True
    follower.read_barrier(read)
    three.pump()
    three.drop = lambda message: False
    three.tick(6)
    assert read.only is None


def test_too_large_and_too_many(box: Any) -> None:
    network = box.network(1, max_request_bytes=100, max_pending_requests=3)
    network.pump()
    member = network[1]
    assert isinstance(box.put(member, b"k", b"x" * 100).only.error, RequestTooLargeError)
    waiting = [box.put(member, b"%d" % number) for number in range(3)]
    assert isinstance(box.put(member, b"k").only.error, TooManyRequestsError)
    network.pump()
    assert [answers.only.error for answers in waiting] == [None] * 3
    reads = [box.answers() for _ in range(4)]
    questions = [box.answers() for _ in range(4)]
    for read in reads:
        member.read_barrier(read)
    assert isinstance(reads[3].only, TooManyRequestsError) and not reads[0]
    network.pump()
    assert [read.only for read in reads[:3]] == [None] * 3
    lost = box.network(3, max_pending_requests=3)
    for question in questions:
        lost[1].renew_lease(1, question)
    assert isinstance(questions[3].only, TooManyRequestsError) and not questions[0]


def test_stop_answers_everything_once_and_everything_later(three: Any, box: Any) -> None:
    follower = three.follower()
    three.machines[follower.id].is_cut = True
    answers = [box.answers() for _ in range(5)]

    def ask_all() -> None:
        follower.propose(1, b"\x0a\x01k", answers[0])
        follower.read_barrier(answers[1])
        follower.renew_lease(1, answers[2])
        follower.time_to_live(1, answers[3])
        follower.when_compacted(answers[4])

    def texts() -> list[list[str]]:
        return [[str(getattr(answer, "error", answer)) for answer in each] for each in answers]

    ask_all()
    follower.stop()
    stopped = str(StoppedError())
    assert texts() == [[stopped]] * 5
    follower.stop()
    follower.tick()
    assert texts() == [[stopped]] * 5
    ask_all()
    assert texts() == [[stopped] * 2] * 5
    assert follower.pending_count == 0


def test_a_done_may_propose_and_read_again(alone: Any, box: Any) -> None:
    later = box.answers()
    alone[1].propose(1, b"\x0a\x01k", lambda applied: (alone[1].read_barrier(later), box.put(alone[1], b"next")))
    alone.pump()
    assert later.only is None and alone[1].store.get(b"next") is not None


def test_an_answer_to_a_question_of_an_earlier_life_is_passed_over(three: Any, box: Any) -> None:
    """Its index knows nothing of what was written since (the first story of tests/kvcluster/sim)."""
    leader, follower = three.settle(), three.follower()
    held: list[Any] = []

    def hold(message: Any) -> bool:
        """Keeps what the leader says to a question."""
        if message.to == follower.id and getattr(message, "type", None) == MessageType.READ_INDEX_RESP:
            held.append(message)
            return True
        return False

    three.drop = hold
    follower.read_barrier(box.answers())
    three.pump()
    assert len(held) == 1
    late = held[0]
    three.machines[follower.id].restart()
    follower = three[follower.id]
    write = box.put(leader, b"new")
    three.tick(3)
    assert write.only.error is None
    read = box.answers()
    follower.read_barrier(read)
    three.pump()
    assert len(held) == 2 and held[1].context != late.context
    follower.receive(late._replace(term=follower.term))
    three.drop = lambda message: True
    three.pump()
    assert not read
    follower.receive(held[1])
    three.pump()
    assert read.only is None and follower.store.get(b"new") is not None
