"""Every unary call: headers, codes, texts, and what is refused before anything happens."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster import pb
from kvcluster.errors import StoppedError
from kvcluster.wire import UNARY

INVALID, NOT_FOUND, EXHAUSTED, PRECONDITION, OUT_OF_RANGE = 3, 5, 8, 9, 11
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS = 12, 13, 14, 15
NEEDS_LEADER = {"hasleader": "true"}


def op(**fields: Any) -> pb.RequestOp:
    return pb.RequestOp(**fields)


def test_a_header_says_who_answers(bench: Any) -> None:
    header = bench.put(b"a").header
    assert (header.cluster_id, header.member_id) == (bench.member.cluster_id, 1)
    assert (header.revision, header.raft_term) == (2, bench.member.term)


def test_put_get_delete(bench: Any) -> None:
    bench.put(b"a", b"1")
    assert bench.put(b"a", b"2", prev_kv=True).prev_kv.value == b"1"
    found = bench.ask("KV/Range", pb.RangeRequest(key=b"a"))
    assert (found.count, found.kvs[0].value, found.header.revision) == (1, b"2", 3)
    assert bench.ask("KV/DeleteRange", pb.DeleteRangeRequest(key=b"a")).deleted == 1
    assert bench.ask("KV/Range", pb.RangeRequest(key=b"a", serializable=True)).count == 0


REFUSED = [
    ("KV/Range", pb.RangeRequest(sort_order=9), INVALID, "key is not provided"),
    ("KV/Range", pb.RangeRequest(key=b"a", sort_order=9), INVALID, "invalid sort option"),
    ("KV/Range", pb.RangeRequest(key=b"a", sort_target=5), INVALID, "invalid sort option"),
    ("KV/Range", pb.RangeRequest(key=b"a", sort_target=-1), INVALID, "invalid sort option"),
    ("KV/Range", pb.RangeRequest(key=b"a", revision=9), OUT_OF_RANGE, "mvcc: required revision is a future revision"),
    ("KV/Put", pb.PutRequest(value=b"v", ignore_value=True), INVALID, "key is not provided"),
    ("KV/Put", pb.PutRequest(key=b"a", value=b"v", ignore_value=True, ignore_lease=True, lease=1), INVALID,
     "value is provided"),
    ("KV/Put", pb.PutRequest(key=b"a", ignore_lease=True, lease=1), INVALID, "lease is provided"),
    ("KV/Put", pb.PutRequest(key=b"a", ignore_lease=True), INVALID, "key not found"),
    ("KV/Put", pb.PutRequest(key=b"a", lease=1), NOT_FOUND, "requested lease not found"),
    ("KV/DeleteRange", pb.DeleteRangeRequest(), INVALID, "key is not provided"),
    ("KV/Compact", pb.CompactionRequest(revision=9), OUT_OF_RANGE, "mvcc: required revision is a future revision"),
    ("KV/Compact", pb.CompactionRequest(revision=-1), OUT_OF_RANGE, "mvcc: required revision has been compacted"),
    ("KV/Txn", pb.TxnRequest(compare=[pb.Compare()] * 129), INVALID, "too many operations in txn request"),
    ("KV/Txn", pb.TxnRequest(compare=[pb.Compare()], success=[op()]), INVALID, "key is not provided"),
    ("KV/Txn", pb.TxnRequest(success=[op()]), INVALID, "key not found"),
    ("KV/Txn", pb.TxnRequest(failure=[op(request_range=pb.RangeRequest(key=b"a", sort_order=9))]), INVALID,
     "invalid sort option"),
    ("KV/Txn", pb.TxnRequest(success=[op(request_put=pb.PutRequest(key=b"a"))] * 2), INVALID,
     "duplicate key given in txn request"),
    ("Lease/LeaseGrant", pb.LeaseGrantRequest(TTL=9_000_000_001), OUT_OF_RANGE, "too large lease TTL"),
    ("Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=5), NOT_FOUND, "requested lease not found"),
    ("Maintenance/HashKV", pb.HashKVRequest(revision=9), OUT_OF_RANGE, "mvcc: required revision is a future revision"),
]  # fmt: skip


@pytest.mark.parametrize("name, request_, code, text", REFUSED)
def test_refusals(bench: Any, name: str, request_: Any, code: int, text: str) -> None:
    before = bench.storage.last_index(), bench.member.store.revision
    assert bench.ask(name, request_) == (code, f"etcdserver: {text}")
    assert bench.member.store.revision == before[1] and bench.member.pending_count == 0


def test_what_the_api_refuses_never_enters_the_log(bench: Any) -> None:
    before = bench.storage.last_index()
    for name, request, code, _ in REFUSED:
        if code == INVALID and "ignore" not in str(request):
            bench.ask(name, request)
    assert bench.storage.last_index() == before


def test_compaction(bench: Any) -> None:
    for _ in range(3):
        bench.put(b"a")
    assert bench.ask("KV/Compact", pb.CompactionRequest(revision=3, physical=True)).header.revision == 4
    assert bench.ask("KV/Range", pb.RangeRequest(key=b"a", revision=2)) == (
        OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")  # fmt: skip
    assert bench.ask("KV/Range", pb.RangeRequest(key=b"a", revision=3)).kvs[0].mod_revision == 3


def test_a_read_only_transaction_makes_no_entry(bench: Any) -> None:
    before = bench.storage.last_index()
    request = pb.TxnRequest(success=[op(request_range=pb.RangeRequest(key=b"a"))])
    assert bench.ask("KV/Txn", request).succeeded and bench.ask("KV/Txn", pb.TxnRequest()).succeeded
    assert bench.storage.last_index() == before


def test_leases(bench: Any) -> None:
    granted = bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(TTL=1))
    assert granted.ID > 0 and granted.TTL == 2
    assert bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=granted.ID, TTL=9)) == (
        PRECONDITION, "etcdserver: lease already exists")  # fmt: skip
    bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=-7, TTL=100))
    bench.put(b"k", lease=-7)
    left = bench.ask("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=-7, keys=True))
    assert (left.ID, left.TTL, left.grantedTTL, list(left.keys)) == (-7, 100, 100, [b"k"])
    assert not bench.ask("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=-7)).keys
    unknown = bench.ask("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=4))
    assert (unknown.ID, unknown.TTL, unknown.grantedTTL) == (4, -1, 0)
    listed = bench.ask("Lease/LeaseLeases", pb.LeaseLeasesRequest())
    assert [status.ID for status in listed.leases] == [granted.ID, -7]
    assert bench.ask("Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=-7)).header.revision == 3


def test_members_and_maintenance(bench: Any) -> None:
    for linearizable in (False, True):
        listed = bench.ask("Cluster/MemberList", pb.MemberListRequest(linearizable=linearizable))
        member = pb.Member(ID=1, name="m1", peerURLs=["http://p1"], clientURLs=["http://c1"])
        assert list(listed.members) == [member] and listed.header.revision == 0
    bench.put(b"a")
    status = bench.ask("Maintenance/Status", pb.StatusRequest())
    assert (status.leader, status.raftTerm, status.header.revision) == (1, bench.member.term, 2)
    assert status.raftIndex == status.raftAppliedIndex == bench.storage.last_index() and not status.errors
    assert not bench.ask("Maintenance/Alarm", pb.AlarmRequest()).alarms
    assert not bench.ask("Maintenance/Defragment", pb.DefragmentRequest()).HasField("header")
    assert bench.ask("Maintenance/Hash", pb.HashRequest()).hash == bench.member.store.hash()
    hashed = bench.ask("Maintenance/HashKV", pb.HashKVRequest())
    assert (hashed.hash, hashed.hash_revision, hashed.compact_revision) == (bench.member.store.hash(), 2, -1)


ACTIVATE, DEACTIVATE = pb.AlarmRequest.ACTIVATE, pb.AlarmRequest.DEACTIVATE
NOSPACE, CORRUPT = pb.AlarmType.Value("NOSPACE"), pb.AlarmType.Value("CORRUPT")


def test_alarms_stay_until_they_are_disarmed(bench: Any) -> None:
    def ask(action: int, kind: int = 0, member: int = 0) -> list[tuple[int, int]]:
        answer = bench.ask("Maintenance/Alarm", pb.AlarmRequest(action=action, alarm=kind, memberID=member))
        return [(alarm.alarm, alarm.memberID) for alarm in answer.alarms]

    assert ask(ACTIVATE, NOSPACE, 7) == ask(ACTIVATE, NOSPACE, 7) == [(NOSPACE, 7)], "active already: the same answer"
    assert ask(ACTIVATE, 0, 7) == [], "no type, no alarm"
    assert ask(ACTIVATE, CORRUPT, 9) == [(CORRUPT, 9)]
    assert ask(0) == [(NOSPACE, 7), (CORRUPT, 9)] and ask(0, CORRUPT) == [(CORRUPT, 9)]
    assert list(bench.ask("Maintenance/Status", pb.StatusRequest()).errors) == [
        "memberID:7 alarm:NOSPACE ", "memberID:9 alarm:CORRUPT "]  # fmt: skip
    assert ask(DEACTIVATE, NOSPACE, 8) == [], "of that member there is none"
    assert ask(DEACTIVATE, NOSPACE, 7) == [(NOSPACE, 7)] and ask(DEACTIVATE, CORRUPT, 9) == [(CORRUPT, 9)]
    assert ask(0) == []


def test_without_space_nothing_grows(bench: Any) -> None:
    bench.put(b"a")
    bench.ask("Maintenance/Alarm", pb.AlarmRequest(action=ACTIVATE, alarm=NOSPACE, memberID=1))
    full = (EXHAUSTED, "etcdserver: mvcc: database space exceeded")
    put = pb.PutRequest(key=b"b")
    nested = op(request_txn=pb.TxnRequest(failure=[op(request_put=put)]))
    assert bench.ask("KV/Put", put) == full
    assert bench.ask("KV/Txn", pb.TxnRequest(success=[nested])) == full
    assert bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(TTL=9)) == full
    delete = pb.DeleteRangeRequest(key=b"a")
    assert bench.ask("KV/Txn", pb.TxnRequest(success=[op(request_delete_range=delete)])).succeeded
    assert bench.ask("KV/Range", pb.RangeRequest(key=b"a")).count == 0
    assert bench.ask("KV/Compact", pb.CompactionRequest(revision=3)).header.revision == 3
    bench.ask("Maintenance/Alarm", pb.AlarmRequest(action=DEACTIVATE, alarm=NOSPACE, memberID=1))
    assert bench.ask("KV/Put", put).header.revision == 4


def test_a_full_store_raises_the_alarm(make_bench: Any) -> None:
    """Costs are etcd's: a put 256 bytes beside key and value, a lease 64, a transaction its dearer branch."""
    bench = make_bench(quota_bytes=2000)
    full = (EXHAUSTED, "etcdserver: mvcc: database space exceeded")
    assert bench.ask("KV/Put", pb.PutRequest(key=b"a", value=b"x" * 1000)).header.revision == 2
    dear = [op(request_put=pb.PutRequest(key=b"%d" % number, value=b"x" * 300)) for number in range(2)]
    assert bench.ask("KV/Txn", pb.TxnRequest(failure=dear)) == full
    (alarm,) = bench.ask("Maintenance/Alarm", pb.AlarmRequest()).alarms
    assert (alarm.alarm, alarm.memberID) == (NOSPACE, 1)
    assert bench.ask("KV/Put", pb.PutRequest(key=b"a")) == full, "until it is disarmed, however small"
    bench.ask("Maintenance/Alarm", pb.AlarmRequest(action=DEACTIVATE, alarm=NOSPACE, memberID=1))
    assert bench.ask("KV/Put", pb.PutRequest(key=b"b", value=b"x" * 200)).header.revision == 3
    assert bench.ask("KV/Put", pb.PutRequest(key=b"b", value=b"x" * 600)) == full


def test_a_corrupt_cluster_takes_no_writes(bench: Any) -> None:
    bench.ask("Maintenance/Alarm", pb.AlarmRequest(action=ACTIVATE, alarm=CORRUPT, memberID=1))
    corrupt = (DATA_LOSS, "etcdserver: corrupt cluster")
    assert bench.ask("KV/Put", pb.PutRequest(key=b"a")) == corrupt
    assert bench.ask("KV/DeleteRange", pb.DeleteRangeRequest(key=b"a")) == corrupt
    assert bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(TTL=9)) == corrupt


def test_leadership_moves_to_members_only(bench: Any) -> None:
    assert bench.ask("Maintenance/MoveLeader", pb.MoveLeaderRequest(targetID=5)) == (
        PRECONDITION, "etcdserver: bad leader transferee")  # fmt: skip
    assert not bench.ask("Maintenance/MoveLeader", pb.MoveLeaderRequest(targetID=1)).HasField("header")


def unary_names(bench: Any) -> list[str]:
    return [path.decode() for path, method in bench.services.methods.items() if method.kind == UNARY]


def test_garbage_is_an_internal_error_and_breaks_nothing(bench: Any) -> None:
    for path in unary_names(bench):
        if path.startswith("/etcdserverpb."):
            call = bench.raw(path.removeprefix("/etcdserverpb."), b"\x0a\xff")
            assert call.status is not None and call.status[0] in (INTERNAL, UNIMPLEMENTED), path
            if call.status[0] == INTERNAL:
                assert call.status[1].startswith("grpc: error unmarshalling request"), path
    assert bench.put(b"a").header.revision == 2


def test_every_rpc_of_the_wire_is_in_the_table(bench: Any) -> None:
    services = [service for file in pb.FILES for service in file.services_by_name.values()]
    names = {f"/{service.full_name}/{method.name}".encode() for service in services for method in service.methods}
    assert len(names) > 50
    assert names <= set(bench.services.methods)


def test_without_a_leader(make_bench: Any) -> None:
    lost = make_bench(members=3, election_ticks=1000, request_timeout_ticks=20)
    no_leader = (UNAVAILABLE, "etcdserver: no leader")
    requests = [
        ("KV/Put", pb.PutRequest(key=b"a")), ("KV/Range", pb.RangeRequest(key=b"a", serializable=True)),
        ("KV/Compact", pb.CompactionRequest()), ("Lease/LeaseGrant", pb.LeaseGrantRequest()),
        ("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest()), ("KV/Txn", pb.TxnRequest()),
        ("Cluster/MemberList", pb.MemberListRequest()),
    ]  # fmt: skip
    for name, request in requests:
        assert lost.ask(name, request, NEEDS_LEADER) == no_leader
    assert lost.ask("KV/Range", pb.RangeRequest(key=b"a", serializable=True)).count == 0
    assert list(lost.ask("Maintenance/Status", pb.StatusRequest()).errors) == ["etcdserver: no leader"]
    waiting = [lost.raw(name, request.SerializeToString())
               for name, request in (requests[0], ("KV/Range", pb.RangeRequest(key=b"a")), requests[4])]  # fmt: skip
    assert [call.status for call in waiting] == [None] * 3
    lost.tick(20)
    assert [call.status for call in waiting] == [(UNAVAILABLE, "etcdserver: request timed out")] * 3


def test_stopping_answers_what_waits(make_bench: Any) -> None:
    lost = make_bench(members=3)
    call = lost.raw("KV/Put", pb.PutRequest(key=b"a").SerializeToString())
    lost.member.stop()
    assert call.status == (UNAVAILABLE, str(StoppedError()))


def test_too_large_and_too_many(make_bench: Any) -> None:
    small = make_bench(max_request_bytes=100)
    assert small.put(b"a", b"x" * 100) == (INVALID, "etcdserver: request is too large")
    full = make_bench(members=3, max_pending_requests=1)
    full.raw("KV/Put", pb.PutRequest(key=b"a").SerializeToString())
    assert full.put(b"b") == (2, "etcdserver: too many requests")
