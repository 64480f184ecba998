"""Leases on members: expiry through the log, renewals and times to live through the leader."""

from __future__ import annotations

from typing import Any

from kvcluster.member import LeaseAnswer, LeaseRequest
from kvcluster.raft import MessageType


def ask(network: Any, box: Any, member: Any, id: int, kind: str = "time_to_live") -> LeaseAnswer:
    answers = box.answers()
    getattr(member, "renew_lease" if kind == "renew" else kind)(id, answers)
    network.pump()
    assert isinstance(answers.only, LeaseAnswer)
    return answers.only


def test_an_expired_lease_is_revoked_once_with_its_keys(alone: Any, box: Any) -> None:
    member = alone[1]
    box.grant(member, 7, 3)
    box.put(member, b"a", lease=7)
    box.put(member, b"b", lease=7)
    alone.pump()
    assert member.store.revision == 3
    alone.tick(29)
    assert member.store.get(b"a") is not None
    alone.tick(10)
    assert member.store.get(b"a") is None and member.store.get(b"b") is None and member.lessor.find(7) is None
    alone.tick(100)
    assert member.store.revision == 4


def test_renewals_keep_a_lease_alive(alone: Any, box: Any) -> None:
    box.grant(alone[1], 7, 3)
    alone.pump()
    for _ in range(10):
        alone.tick(20)
        assert ask(alone, box, alone[1], 7, "renew").ttl_s == 3
    assert ask(alone, box, alone[1], 7).ttl_s == 3


def test_many_that_expire_together_go_together(alone: Any, box: Any) -> None:
    """Few revocations are in flight at a time, but the next ones follow at once and do not wait for the next look."""
    for id in range(1, 1001):
        box.grant(alone[1], id, 2)
    alone.pump()
    alone.tick(19)
    assert len(alone[1].lessor) == 1000
    alone.tick(1 + 5)
    assert len(alone[1].lessor) == 0


def test_few_revocations_are_in_flight(box: Any) -> None:
    network = box.network(3, max_lease_revokes=4, max_expired_leases=10)
    leader = network.settle()
    for id in range(1, 31):
        box.grant(leader, id, 2)
    network.pump()
    network.drop = lambda message: getattr(message, "type", None) == MessageType.APP
    for _ in range(35):
        leader.tick()
        network.pump()
    assert leader.pending_count == 4 and len(leader.lessor) == 30
    network.drop = lambda message: False
    network.tick(60)
    assert len(leader.lessor) == 0 and leader.pending_count == 0


def test_a_refused_revocation_is_tried_again(box: Any) -> None:
    network = box.network(1, max_pending_requests=1)
    network.pump()
    for id in range(1, 31):
        box.grant(network[1], id, 2)
        network.pump()
    for _ in range(25):
        box.put(network[1], b"k")
        network.tick()
    assert len(network[1].lessor) > 0
    network.tick(40 * 30)
    assert len(network[1].lessor) == 0


def test_a_renewal_that_comes_too_late_is_answered_when_the_keys_are_gone(three: Any, box: Any) -> None:
    """Not before: who hears that the lease is gone may count on it (etcd: Lessor.Renew waits for the revocation)."""
    leader, follower = three.settle(), three.follower()
    box.grant(leader, 7, 2)
    box.put(leader, b"k", lease=7)
    three.pump()
    three.drop = lambda message: getattr(message, "type", None) == MessageType.APP
    three.tick(22)
    assert leader.lessor.is_expired(7)
    answers: list[tuple[int, bool]] = []
    for member in (leader, follower):
        member.renew_lease(7, lambda answer: answers.append((answer.ttl_s, leader.store.get(b"k") is None)))
    three.tick(6)
    assert answers == [] and leader.lessor.find(7) is not None
    three.drop = lambda message: False
    three.tick(10)
    assert answers == [(0, True)] * 2


def test_followers_ask_the_leader(three: Any, box: Any) -> None:
    follower = three.follower()
    box.grant(follower, 7, 5)
    three.pump()
    three.tick(21)
    answer = ask(three, box, follower, 7)
    assert (answer.ttl_s, answer.granted_ttl_s, answer.keys) == (2, 5, ())
    box.put(follower, b"b", lease=7)
    box.put(follower, b"a", lease=7)
    three.pump()
    assert ask(three, box, follower, 7, "renew").ttl_s == 5
    answer = ask(three, box, follower, 7)
    assert (answer.ttl_s, sorted(answer.keys)) == (5, [b"a", b"b"])


def test_unknown_leases(three: Any, box: Any) -> None:
    for machine in three.machines.values():
        assert ask(three, box, machine.member, 99, "renew").ttl_s == 0
        answer = ask(three, box, machine.member, 99)
        assert (answer.ttl_s, answer.granted_ttl_s) == (-1, 0)


def test_a_lost_question_is_asked_again(three: Any, box: Any) -> None:
    box.grant(three.follower(), 7, 50)
    three.pump()
    answers = box.answers()
    three.drop = lambda message: isinstance(message, LeaseRequest | LeaseAnswer)
    three.follower().renew_lease(7, answers)
    three.pump()
    assert not answers
    three.drop = lambda message: False
    three.tick(10)
    assert answers.only.ttl_s == 50


def test_a_new_leader_extends_every_lease(three: Any, box: Any) -> None:
    leader = three.settle()
    box.grant(leader, 7, 10)
    three.pump()
    three.tick(70)
    three.machines[leader.id].is_cut = True
    others = [machine for id, machine in three.machines.items() if id != leader.id]
    for _ in range(100):
        three.tick()
        if any(machine.member.is_leader for machine in others):
            break
    new = next(machine.member for machine in others if machine.member.is_leader)
    three.tick(2)
    assert ask(three, box, new, 7).ttl_s >= 10
    assert new.store.revision == leader.store.revision


def test_a_new_leader_answers_only_when_it_has_applied_what_was_promised(three: Any, box: Any) -> None:
    """A lease may be acknowledged by the old leader and be in the new one's log without being applied there yet."""
    leader = three.settle()
    others = [machine.member for id, machine in three.machines.items() if id != leader.id]
    seen: dict[int, int] = {}

    def drop(message: Any) -> bool:
        """Lets one message through to each of the others: the entry, and not the news that it is committed."""
        if message.to == leader.id:
            return False
        seen[message.to] = seen.get(message.to, 0) + 1
        return seen[message.to] > 1

    three.drop = drop
    granted = box.grant(leader, 7, 50)
    three.pump()
    assert granted.only.error is None
    assert [member.lessor.find(7) for member in others] == [None, None]
    three.machines[leader.id].is_cut = True
    three.drop = lambda message: False
    answers = box.answers()
    for member in others:
        member.time_to_live(7, answers)
        member.renew_lease(7, answers)
    three.tick(60, only=[member.id for member in others])
    assert [answer.granted_ttl_s for answer in answers] == [50] * 4


def test_a_leader_that_slept_does_not_have_its_successor_revoke_a_lease(three: Any, box: Any) -> None:
    """It wakes, finds the lease expired, and hears of its successor in the same turn (etcd-io/etcd#15247)."""
    old = three.settle()
    box.grant(old, 7, 3)
    three.pump()
    others = [id for id in three.machines if id != old.id]
    three.tick(26)
    three.machines[old.id].is_cut = True  # and it gets no time
    held: list[Any] = []
    for _ in range(100):
        three.tick(only=others)
        if any(three[id].lessor.is_primary for id in others):
            break
    new = next(three[id] for id in others if three[id].is_leader)
    assert ask(three, box, new, 7, "renew").ttl_s == 3

    def hold(message: Any) -> bool:
        if message.to == old.id:
            held.append(message)
            return True
        return False

    three.drop = hold
    three.machines[old.id].is_cut = False
    three.tick(1, only=[new.id])
    assert held and old.is_leader
    for _ in range(8):
        old.tick()
    assert old.is_leader and old.lessor.is_expired(7) and old.pending_count == 1
    for message in held:
        old.receive(message)
    three.drop = lambda message: False
    three.pump()
    three.tick(3)
    assert not old.is_leader and old.leader == new.id
    assert new.lessor.find(7) is not None and old.lessor.find(7) is not None
    assert old.pending_count == 0
