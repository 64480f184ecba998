"""Watch and keep-alive streams, message by message (etcd.md 2.7, 2.8)."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster import pb
from kvcluster.wire import HIGH_WATER_BYTES

INTERNAL, UNAVAILABLE = 13, 14
COMPACTED = "etcdserver: mvcc: required revision has been compacted"
NOPUT, NODELETE = pb.WatchCreateRequest.NOPUT, pb.WatchCreateRequest.NODELETE


def keys(answers: list[Any]) -> list[tuple[int, bytes]]:
    return [(event.kv.mod_revision, event.kv.key) for answer in answers for event in answer.events]


def delete(bench: Any, key: bytes) -> None:
    bench.ask("KV/DeleteRange", pb.DeleteRangeRequest(key=key))


def compact(bench: Any, revision: int) -> None:
    bench.ask("KV/Compact", pb.CompactionRequest(revision=revision, physical=True))


# ---- creating ----


def test_ids_count_from_zero_and_pass_over_those_in_use(bench: Any) -> None:
    stream = bench.watch()
    ids = [stream.create(b"a", watch_id=id)[0].watch_id for id in (0, 2, 0, 0, -9, 0)]
    assert ids == [0, 2, 1, 3, -9, 4]


def test_a_created_answer_has_the_revision_and_comes_before_events(bench: Any) -> None:
    bench.put(b"a")
    bench.put(b"b")
    created, *rest = bench.watch().create(b"a", b"c", start_revision=1)
    assert created.created and not created.canceled and created.header.revision == 3 and not created.events
    assert keys(rest) == [(2, b"a"), (3, b"b")] and rest[-1].header.revision == 3


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"key": b"b", "range_end": b"a"}, "mvcc: watcher range is empty"),
        ({"key": b"b", "range_end": b"b"}, "mvcc: watcher range is empty"),
        ({"key": b"b", "start_revision": -1}, COMPACTED),
        ({"key": b"b", "watch_id": 7}, "mvcc: duplicate watch ID provided on the WatchStream"),
        ({"key": b"b", "range_end": b"a", "watch_id": 7}, "mvcc: watcher range is empty"),
    ],
)
def test_refusals_have_id_minus_one_and_leave_the_stream_alive(bench: Any, fields: Any, reason: str) -> None:
    stream = bench.watch()
    stream.create(b"a", watch_id=7)
    (refused,) = stream.create(**fields)
    assert (refused.watch_id, refused.created, refused.canceled, refused.cancel_reason) == (-1, True, True, reason)
    assert refused.compact_revision == 0 and refused.header.revision == 1
    assert stream.create(b"c")[0].watch_id == 0
    bench.put(b"a")
    bench.put(b"b")
    assert keys(stream.answers()) == [(2, b"a")] and len(bench.member.hub) == 2


def test_an_empty_key_is_the_first_key(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"", b"\0")
    bench.put(b"\0")
    bench.put(b"z")
    assert keys(stream.answers()) == [(2, b"\0"), (3, b"z")]


def test_a_start_in_the_future_waits_in_silence(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"a", start_revision=4, progress_notify=True)
    for _ in range(4):
        bench.put(b"a")
    assert keys(stream.answers()) == [(4, b"a"), (5, b"a")]


def test_a_compacted_start_is_created_then_cancelled(bench: Any) -> None:
    for _ in range(4):
        bench.put(b"a")
    compact(bench, 4)
    stream = bench.watch()
    created, canceled = stream.create(b"a", start_revision=3, watch_id=5)
    assert created.created and not created.canceled and created.compact_revision == 0
    assert canceled.canceled and canceled.compact_revision == 4 and canceled.cancel_reason == ""
    assert canceled.header.revision == 0 and canceled.header.member_id == 1 and canceled.watch_id == 5
    assert stream.create(b"a", watch_id=5)[0].watch_id == -1  # reserved
    assert [answer.canceled for answer in stream.cancel(5)] == [True]
    assert stream.create(b"a", watch_id=5)[0].watch_id == 5
    assert keys(stream.create(b"a", start_revision=4)) == [(4, b"a"), (5, b"a")]


# ---- events ----


def test_one_answer_a_revision_with_its_events_in_order(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"\0", b"\0")
    put = [pb.RequestOp(request_put=pb.PutRequest(key=key)) for key in (b"z", b"a", b"m")]
    bench.ask("KV/Txn", pb.TxnRequest(success=put))
    bench.put(b"q")
    first, second = stream.answers()
    assert keys([first]) == [(2, b"z"), (2, b"a"), (2, b"m")] and first.header.revision == 2
    assert keys([second]) == [(3, b"q")] and second.header.revision == 3 and second.header.raft_term


def test_filters_and_prev_kv(bench: Any) -> None:
    stream = bench.watch()
    for filters in ([NOPUT], [NODELETE], [NOPUT, NODELETE], []):
        stream.create(b"a", filters=filters, prev_kv=True)
    bench.put(b"a", b"1")
    bench.put(b"a", b"2")
    delete(bench, b"a")
    heard: dict[int, list[tuple[int, bytes]]] = {}
    for answer in stream.answers():
        for event in answer.events:
            heard.setdefault(answer.watch_id, []).append((event.type, event.prev_kv.value))
    assert heard == {0: [(1, b"2")], 1: [(0, b""), (0, b"1")], 3: [(0, b""), (0, b"1"), (1, b"2")]}


def test_an_event_for_many_watchers_carries_each_one_s_id(bench: Any) -> None:
    stream = bench.watch()
    for id in (0, 1, 300, -5):
        stream.create(b"a", watch_id=id)
    bench.put(b"a")
    assert sorted(answer.watch_id for answer in stream.answers()) == [-5, 0, 1, 300]


def test_cancelling(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"a")
    (canceled,) = stream.cancel(0)
    assert canceled.canceled and canceled.watch_id == 0 and not canceled.cancel_reason and canceled.header.revision == 1
    assert stream.cancel(0) == [] and stream.cancel(77) == []
    bench.put(b"a")
    assert stream.answers() == [] and len(bench.member.hub) == 0


def test_fragments_come_back_to_back_and_glue_to_the_whole(make_bench: Any) -> None:
    bench = make_bench(max_request_bytes=2000)
    bench.services._watch.max_response_bytes = 1000
    stream = bench.watch()
    stream.create(b"\0", b"\0", fragment=True, watch_id=4)
    stream.create(b"\0", b"\0", watch_id=5)
    put = [pb.RequestOp(request_put=pb.PutRequest(key=b"%d" % n, value=b"x" * 200)) for n in range(9)]
    bench.ask("KV/Txn", pb.TxnRequest(success=put[:8]))
    answers = stream.answers()
    parts = [answer for answer in answers if answer.watch_id == 4]
    (whole,) = [answer for answer in answers if answer.watch_id == 5]
    at = answers.index(parts[0])
    assert answers[at : at + len(parts)] == parts
    assert [part.fragment for part in parts] == [True] * (len(parts) - 1) + [False] and len(parts) > 1
    assert [event for part in parts for event in part.events] == list(whole.events)
    assert not whole.fragment and all(part.header == whole.header for part in parts)
    bench.put(b"big", b"x" * 1500)
    assert [answer.fragment for answer in stream.answers()] == [False, False]


# ---- progress ----


def test_manual_progress_only_when_all_are_synced(bench: Any) -> None:
    stream = bench.watch()
    assert stream.progress() == []
    stream.create(b"a")
    bench.put(b"b")
    (progress,) = stream.progress()
    assert (progress.watch_id, progress.header.revision) == (-1, 2)
    assert not progress.events and not progress.created and not progress.canceled
    stream.create(b"a", start_revision=9)
    assert stream.progress() == []
    stream.cancel(1)
    assert len(stream.progress()) == 1


def test_progress_never_overtakes_events_that_were_held_back(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"a")
    stream.call.buffered_bytes = HIGH_WATER_BYTES + 1
    bench.put(b"a")
    assert stream.progress() == []
    stream.call.buffered_bytes = 0
    stream.handler.on_drain()
    bench.turn()
    assert keys(stream.answers()) == [(2, b"a")]
    assert [answer.header.revision for answer in stream.progress()] == [2]


def test_regular_progress_for_those_who_heard_nothing(make_bench: Any) -> None:
    bench = make_bench(progress_interval_s=1.0)
    bench.tick()
    stream = bench.watch()
    stream.create(b"a", progress_notify=True)
    stream.create(b"b", progress_notify=True)
    stream.create(b"c")
    bench.tick(10)
    assert sorted((answer.watch_id, answer.header.revision) for answer in stream.answers()) == [(0, 1), (1, 1)]
    bench.put(b"a")
    stream.answers()
    bench.tick(10)
    assert [(answer.watch_id, answer.header.revision) for answer in stream.answers()] == [(1, 2)]
    bench.tick(10)
    assert len(stream.answers()) == 2


# ---- slow streams, ends ----


def test_a_slow_stream_is_resumed_without_loss(bench: Any) -> None:
    slow, other = bench.watch(), bench.watch()
    slow.create(b"\0", b"\0")
    other.create(b"\0", b"\0")
    bench.put(b"k1")
    slow.call.buffered_bytes = HIGH_WATER_BYTES + 1
    for number in range(2, 30):
        bench.put(b"k%d" % number)
    assert keys(slow.answers()) == [(2, b"k1")] and len(keys(other.answers())) == 29
    slow.call.buffered_bytes = 0
    slow.handler.on_drain()
    bench.turn()
    bench.put(b"last")
    assert [revision for revision, _ in keys(slow.answers())] == list(range(3, 32))


def test_a_slow_stream_overtaken_by_compaction_is_cancelled(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"a")
    stream.call.buffered_bytes = HIGH_WATER_BYTES + 1
    for _ in range(5):
        bench.put(b"a")
    compact(bench, 5)
    stream.call.buffered_bytes = 0
    stream.handler.on_drain()
    bench.turn()
    (canceled,) = stream.answers()
    assert canceled.canceled and canceled.compact_revision == 5 and canceled.header.revision == 0


def test_a_client_that_asks_on_without_reading_loses_its_stream(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvcluster.rpc.watch.MAX_UNREAD_ANSWERS", 10)
    reader, flood = bench.watch(), bench.watch()
    for _ in range(2):  # what it has read does not count
        flood.call.buffered_bytes = HIGH_WATER_BYTES + 1
        for _ in range(5):
            flood.create(b"a")
            flood.create(b"b", b"a")
        assert flood.call.status is None
        flood.handler.on_drain()
    flood.call.buffered_bytes = HIGH_WATER_BYTES + 1
    for _ in range(10):
        assert len(flood.create(b"a")) == 1
    assert flood.create(b"a") == [] and flood.call.status == (2, "etcdserver: too many requests")
    assert len(bench.member.hub) == 0 and flood.create(b"a") == []
    reader.create(b"a")
    bench.put(b"a")
    assert keys(reader.answers()) == [(2, b"a")]


def test_progress_waits_for_room(make_bench: Any) -> None:
    bench = make_bench(progress_interval_s=1.0)
    stream = bench.watch()
    stream.create(b"a", progress_notify=True)
    stream.call.buffered_bytes = HIGH_WATER_BYTES + 1
    assert stream.progress() == []
    bench.tick(20)
    assert stream.answers() == []
    stream.call.buffered_bytes = 0
    bench.tick(20)
    assert stream.answers() and stream.progress()


def test_half_close_does_not_end_a_watch_and_cancel_frees_it(bench: Any) -> None:
    stream = bench.watch()
    stream.create(b"a")
    stream.handler.on_half_close()
    bench.put(b"a")
    assert keys(stream.answers()) == [(2, b"a")] and stream.call.status is None
    stream.call.is_active = False
    stream.handler.on_cancel()
    assert len(bench.member.hub) == 0
    bench.put(b"a")
    assert stream.create(b"a") == [] and len(bench.member.hub) == 0


def test_garbage_ends_the_stream_and_only_that(bench: Any) -> None:
    bad, good = bench.watch(), bench.watch()
    bad.create(b"a")
    good.create(b"a")
    bad.ask(b"\x0a\xff")
    assert bad.call.status[0] == INTERNAL
    assert bad.create(b"a") == [] and len(bench.member.hub) == 1
    bench.put(b"a")
    assert keys(good.answers()) == [(2, b"a")]
    alive = bench.keep_alive()
    alive.ask(b"\x0a\xff")
    assert alive.call.status[0] == INTERNAL
    assert alive.ask(pb.LeaseKeepAliveRequest(ID=1)) == []


def test_streams_that_need_a_leader(make_bench: Any) -> None:
    lost = make_bench(members=3, election_ticks=5)
    no_leader = (UNAVAILABLE, "etcdserver: no leader")
    for stream in (lost.watch({"hasleader": "true"}), lost.keep_alive({"hasleader": "true"})):
        assert stream.call.status == no_leader
    patient = lost.watch()
    patient.create(b"a")
    lost.tick(30)
    assert patient.call.status is None


def test_a_stream_that_needs_a_leader_ends_when_there_has_been_none_for_long(bench: Any) -> None:
    stream = bench.watch({"hasleader": "true"})
    stream.create(b"a")
    bench.tick(40)
    assert stream.call.status is None
    bench.services._watch.member = Leaderless(bench.member)
    for _ in range(29):
        bench.services.tick()
    assert stream.call.status is None
    bench.services.tick()
    assert stream.call.status == (UNAVAILABLE, "etcdserver: no leader") and len(bench.member.hub) == 0


class Leaderless:
    """A member whose leader is lost."""

    leader = 0

    def __init__(self, member: Any) -> None:
        self._member = member

    def __getattr__(self, name: str) -> Any:
        return getattr(self._member, name)


# ---- keep-alive ----


def test_keep_alive_answers_in_order(bench: Any) -> None:
    bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=1, TTL=50))
    stream = bench.keep_alive()
    for id, ttl in ((1, 50), (2, 0), (1, 50)):
        (answer,) = stream.ask(pb.LeaseKeepAliveRequest(ID=id))
        assert [id, ttl] == [answer.ID, answer.TTL] and answer.header.revision == 1
    stream.handler.on_half_close()
    assert stream.call.status == (0, "")


def test_half_close_waits_for_the_answers_that_are_due(make_bench: Any) -> None:
    lost = make_bench(members=3, request_timeout_ticks=10)
    stream = lost.keep_alive()
    for id in (1, 2):
        assert stream.ask(pb.LeaseKeepAliveRequest(ID=id)) == []
    stream.handler.on_half_close()
    assert stream.call.status is None
    lost.tick(10)
    assert stream.call.status == (UNAVAILABLE, "etcdserver: request timed out")
    lost.tick(20)
    assert stream.answers() == [] and lost.member.pending_count == 0


def test_a_cancelled_keep_alive_asks_no_more(make_bench: Any) -> None:
    lost = make_bench(members=3, request_timeout_ticks=10)
    stream = lost.keep_alive()
    for id in (1, 2, 3):
        stream.ask(pb.LeaseKeepAliveRequest(ID=id))
    stream.call.is_active = False
    stream.handler.on_cancel()
    lost.tick(20)
    assert stream.call.sent == [] and lost.member.pending_count == 0


def test_a_backlog_of_keep_alives_is_answered_when_the_member_may(bench: Any) -> None:
    """A client renews its thousands of leases on one stream; they pile up while nobody leads, and come due in one turn."""
    bench.ask("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=1, TTL=50))
    bench.member.lessor.demote()
    stream = bench.keep_alive()
    request = pb.LeaseKeepAliveRequest(ID=1).SerializeToString()
    for _ in range(5000):
        stream.handler.on_message(request)
    assert stream.answers() == []
    bench.put(b"an entry, after which the member takes up the leases again")
    assert [answer.TTL for answer in stream.answers()] == [50] * 5000
    stream.handler.on_half_close()
    assert stream.call.status == (0, "")


def test_keep_alives_beyond_the_bound_end_the_stream(make_bench: Any) -> None:
    lost = make_bench(members=3, max_pending_requests=3, request_timeout_ticks=10)
    stream = lost.keep_alive()
    for id in range(1, 5):
        stream.ask(pb.LeaseKeepAliveRequest(ID=id))
    assert stream.call.status is None
    stream.ask(pb.LeaseKeepAliveRequest(ID=5))
    assert stream.call.status == (2, "etcdserver: too many requests")
    lost.tick(20)
    assert stream.answers() == [] and lost.member.pending_count == 0
