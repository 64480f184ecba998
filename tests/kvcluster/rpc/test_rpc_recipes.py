"""Lock and Election on one member: who gets it, in which order, and what is left behind. Compared with a real etcd elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster import pb

UNKNOWN = 2


@pytest.fixture
def two(bench: Any) -> Any:
    """A member with the leases 0x1000 and 0x2000."""
    for lease in (0x1000, 0x2000):
        bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=60))
    return bench


def start(bench: Any, path: str, request: Any) -> Any:
    """A call that may still wait."""
    call = bench.make_call()
    bench.services.methods[path.encode()].handler(call, request.SerializeToString())
    bench.turn()
    return call


def lock(bench: Any, name: bytes, lease: int = 0) -> Any:
    return start(bench, "/v3lockpb.Lock/Lock", pb.LockRequest(name=name, lease=lease))


def key_of(call: Any) -> bytes:
    assert call.status == (0, ""), call.status
    return bytes(pb.LockResponse.FromString(call.sent[0]).key)


def unlock(bench: Any, key: bytes) -> Any:
    return start(bench, "/v3lockpb.Lock/Unlock", pb.UnlockRequest(key=key))


def keys(bench: Any) -> list[bytes]:
    found = bench.ask("KV/Range", pb.RangeRequest(key=b"\0", range_end=b"\0"))
    return [kv.key for kv in found.kvs]


def test_a_lock_is_a_key_with_the_lease(two: Any) -> None:
    assert key_of(lock(two, b"n", 0x1000)) == b"n/1000"
    assert key_of(lock(two, b"n", 0x1000)) == b"n/1000"  # who has it has it
    (kv,) = two.ask("KV/Range", pb.RangeRequest(key=b"n/1000")).kvs
    assert (kv.value, kv.lease) == (b"", 0x1000)


def test_who_waits_gets_it_next(two: Any) -> None:
    first, second = lock(two, b"n", 0x1000), lock(two, b"n", 0x2000)
    assert second.status is None
    assert unlock(two, key_of(first)).status == (0, "")
    assert key_of(second) == b"n/2000"


def test_waiters_line_up(two: Any) -> None:
    calls = [lock(two, b"n", 0x1000), *(lock(two, b"n") for _ in range(5))]
    for held, waiting in zip(calls, calls[1:], strict=False):
        assert waiting.status is None
        unlock(two, key_of(held))
    assert key_of(calls[-1]) in keys(two)


def test_without_a_lease_the_server_grants_one(two: Any) -> None:
    key = key_of(lock(two, b"n"))
    lease = int(key.removeprefix(b"n/"), 16)
    assert two.member.lessor.get(lease).ttl_s == 60
    two.tick(700)
    assert keys(two) == []  # nobody keeps it alive once it is held


def test_a_waiters_lease_is_kept_alive(two: Any) -> None:
    lock(two, b"n", 0x1000)
    two.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=0x3000, TTL=5))
    waiting = lock(two, b"n", 0x3000)
    two.tick(400)
    unlock(two, b"n/1000")
    assert key_of(waiting) == b"n/3000"


def test_a_cancelled_waiter_leaves_the_line(two: Any) -> None:
    held, waiting, last = lock(two, b"n", 0x1000), lock(two, b"n", 0x2000), lock(two, b"n")
    waiting.cancel()
    two.turn()
    assert b"n/2000" not in keys(two)
    unlock(two, key_of(held))
    assert last.status == (0, "")


def test_a_waiter_whose_session_is_gone_does_not_get_it(two: Any) -> None:
    lock(two, b"n", 0x1000)
    waiting = lock(two, b"n", 0x2000)
    two.ask("KV/DeleteRange", pb.DeleteRangeRequest(key=b"n/2000"))
    unlock(two, b"n/1000")
    assert waiting.status == (UNKNOWN, "mutex: session is expired")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda bench: lock(bench, b"n", 5), "etcdserver: requested lease not found"),
        (lambda bench: unlock(bench, b""), "etcdserver: key is not provided"),
        (lambda bench: campaign(bench, b"e", 5), "etcdserver: requested lease not found"),
        (lambda bench: proclaim(bench, None), '"leader" field must be provided'),
        (lambda bench: resign(bench, None), '"leader" field must be provided'),
        (lambda bench: leader_of(bench, b"e"), "election: no leader"),
        (lambda bench: proclaim(bench, pb.LeaderKey(name=b"e", key=b"e/1000", rev=7, lease=0x1000)),
         "election: not leader"),
        (lambda bench: proclaim(bench, pb.LeaderKey(name=b"e", rev=7, lease=0x1000)),
         "etcdserver: key is not provided"),
    ],
)  # fmt: skip
def test_refusals_have_a_clients_words(two: Any, call: Any, text: str) -> None:
    assert call(two).status == (UNKNOWN, text)


# ---- elections ----


def campaign(bench: Any, name: bytes, lease: int, value: bytes = b"v") -> Any:
    request = pb.CampaignRequest(name=name, lease=lease, value=value)
    return start(bench, "/v3electionpb.Election/Campaign", request)


def proclaim(bench: Any, leader: Any, value: bytes = b"new") -> Any:
    return start(bench, "/v3electionpb.Election/Proclaim", pb.ProclaimRequest(leader=leader, value=value))


def resign(bench: Any, leader: Any) -> Any:
    return start(bench, "/v3electionpb.Election/Resign", pb.ResignRequest(leader=leader))


def leader_of(bench: Any, name: bytes) -> Any:
    return start(bench, "/v3electionpb.Election/Leader", pb.LeaderRequest(name=name))


def won(call: Any) -> Any:
    assert call.status == (0, ""), call.status
    return pb.CampaignResponse.FromString(call.sent[0]).leader


def value_of(call: Any) -> bytes:
    return bytes(pb.LeaderResponse.FromString(call.sent[0]).kv.value)


def test_the_first_candidate_leads_until_he_resigns(two: Any) -> None:
    first, second = campaign(two, b"e", 0x1000, b"one"), campaign(two, b"e", 0x2000, b"two")
    leader = won(first)
    assert (leader.name, leader.key, leader.lease) == (b"e", b"e/1000", 0x1000)
    assert (value_of(leader_of(two, b"e")), second.status) == (b"one", None)
    resign(two, leader)
    assert won(second).key == b"e/2000"
    assert value_of(leader_of(two, b"e")) == b"two"


def test_a_leader_proclaims(two: Any) -> None:
    leader = won(campaign(two, b"e", 0x1000, b"one"))
    assert proclaim(two, leader, b"new").status == (0, "")
    assert value_of(leader_of(two, b"e")) == b"new"


def test_campaigning_again_changes_the_value(two: Any) -> None:
    leader = won(campaign(two, b"e", 0x1000, b"one"))
    again = won(campaign(two, b"e", 0x1000, b"other"))
    assert (again.rev, value_of(leader_of(two, b"e"))) == (leader.rev, b"other")


def test_resigning_with_another_revision_does_nothing(two: Any) -> None:
    leader = won(campaign(two, b"e", 0x1000))
    leader.rev += 1
    assert resign(two, leader).status == (0, "")
    assert keys(two) == [b"e/1000"]


def test_a_cancelled_candidate_leaves(two: Any) -> None:
    won(campaign(two, b"e", 0x1000))
    waiting = campaign(two, b"e", 0x2000)
    waiting.cancel()
    two.turn()
    assert keys(two) == [b"e/1000"]


def test_observers_see_every_leader_and_what_he_proclaims(two: Any) -> None:
    stream = two.stream("/v3electionpb.Election/Observe", pb.LeaderResponse)
    assert stream.ask(pb.LeaderRequest(name=b"e")) == []
    leader = won(campaign(two, b"e", 0x1000, b"one"))
    campaign(two, b"e", 0x2000, b"two")
    proclaim(two, leader, b"more")
    resign(two, leader)
    seen = [(answer.kv.key, answer.kv.value) for answer in stream.answers()]
    assert seen == [(b"e/1000", b"one"), (b"e/1000", b"more"), (b"e/2000", b"two")]


def test_an_observer_who_does_not_read_costs_nothing_and_loses_nothing(two: Any) -> None:
    stream = two.stream("/v3electionpb.Election/Observe", pb.LeaderResponse)
    leader = won(campaign(two, b"e", 0x1000, b"0"))
    stream.ask(pb.LeaderRequest(name=b"e"))
    stream.call.buffered_bytes = 1 << 20
    for number in range(1, 400):
        proclaim(two, leader, b"%d" % number)
    assert stream.answers() == []
    stream.call.buffered_bytes = 0
    two.tick(3)
    assert [int(answer.kv.value) for answer in stream.answers()] == list(range(1, 400))


def test_observers_and_candidates_of_one_key_do_not_disturb_each_other(two: Any) -> None:
    """Whoever is told first leaves the key's watchers while the others are still being told."""
    leader = won(campaign(two, b"e", 0x1000, b"one"))
    candidate = campaign(two, b"e", 0x2000, b"two")
    streams = [two.stream("/v3electionpb.Election/Observe", pb.LeaderResponse) for _ in range(3)]
    for stream in streams:
        stream.ask(pb.LeaderRequest(name=b"e"))
    resign(two, leader)
    assert won(candidate).key == b"e/2000"
    assert [[answer.kv.value for answer in stream.answers()] for stream in streams] == [[b"two"]] * 3


def test_an_observer_who_leaves_is_forgotten(two: Any) -> None:
    won(campaign(two, b"e", 0x1000))
    stream = two.stream("/v3electionpb.Election/Observe", pb.LeaderResponse)
    stream.ask(pb.LeaderRequest(name=b"e"))
    assert len(two.member.hub) == 1
    stream.handler.on_cancel()
    assert len(two.member.hub) == 0
