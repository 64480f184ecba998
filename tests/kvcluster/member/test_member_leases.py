"""Leases on members: expiry through the log, renewals and times to live through the leader."""

from __future__ import annotations

from typing import Any

from kvcluster.member import LeaseAnswer, LeaseRequest


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


def test_many_expire_a_few_at_a_time_and_all_go(box: Any) -> None:
    network = box.network(1, max_lease_revokes=4)
    network.pump()
    for id in range(1, 31):
        box.grant(network[1], id, 2)
    network.pump()
    network.tick(25)
    assert 0 < len(network[1].lessor) < 30
    network.tick(60)
    assert len(network[1].lessor) == 0


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
