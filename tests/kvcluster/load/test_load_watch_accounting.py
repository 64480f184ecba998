"""The accounting of watch workloads, fed by hand: what is lost, doubled, swapped, late; and what a delivery costs."""

from __future__ import annotations

import json
import sys
from types import FrameType

from kvcluster import pb
from kvcluster.load.recorder import Recorder
from kvcluster.load.watching.batch import BatchMemo
from kvcluster.load.watching.deliveries import MAX_SAMPLED_REVISIONS, Deliveries, Watchers
from kvcluster.load.watching.figures import merge, share_of
from kvcluster.load.watching.payload import batch_of, make_receiver, parse_body
from kvcluster.load.watching.selection import Selection
from kvcluster.load.watching.stamp import read_stamp, read_stamp_text, stamp_text, stamp_value

MS = 1_000_000
HEADER = pb.ResponseHeader(cluster_id=2**63 + 5, member_id=2**63 + 9, revision=4711, raft_term=2)


def response(watch_id: int, *revisions: int, key: bytes = b"bench/0", written_ns: int = 0) -> bytes:
    events = [
        pb.Event(kv=pb.KeyValue(key=key, mod_revision=revision, value=stamp_value(written_ns, revision, 16)))
        for revision in revisions
    ]
    return pb.WatchResponse(header=HEADER, watch_id=watch_id, events=events).SerializeToString()


class Reader:
    """One stream's receiver; `others` collects what it left to protobuf."""

    def __init__(self, watchers: int = 3) -> None:
        selection = Selection(b"bench/", "prefix", 1, 1)
        self.now_ns = 1
        self.recorder = Recorder()
        self.deliveries = Deliveries(self.recorder, lambda: self.now_ns)
        self.watchers = Watchers(watchers, lambda number: selection.selects(number - 1))
        self.memo = BatchMemo(lambda body: self.deliveries.enter(parse_body(body)))
        self.others: list[bytes] = []
        self.receive = make_receiver(self.memo, self.deliveries, self.watchers, self.others.append)

    def turn(self, now_ns: int, *payloads: bytes) -> None:
        """One read of the socket."""
        self.now_ns = now_ns
        for payload in payloads:
            self.receive(payload)
        self.deliveries.end_turn()


def counters(deliveries: Deliveries) -> tuple[int, int, int]:
    return deliveries.events, deliveries.duplicates, deliveries.out_of_order


def test_what_all_watchers_get_is_parsed_once():
    reader = Reader(watchers=300)
    watchers = range(1, 301)  # ids of one byte and of two
    reader.turn(5 * MS, *(response(watcher, *revisions) for revisions in ((2,), (3, 4, 5)) for watcher in watchers))
    assert reader.memo.parses == 2
    assert counters(reader.deliveries) == (1200, 0, 0)
    assert reader.watchers.counts[1:] == [4] * 300
    assert reader.deliveries.responses == 600
    assert reader.recorder.counts == {5000: 1200}
    assert reader.others == []


def test_the_memo_forgets_what_is_not_delivered_any_more():
    parsed: list[bytes] = []

    def parse(body: bytes):
        parsed.append(body)
        return parse_body(body)

    memo = BatchMemo(parse, max_entries=2)
    bodies = [response(1, revision)[len(response(1)) :] for revision in range(2, 8)]
    for body in bodies:
        assert memo.find(body) is memo.find(body)
    memo.find(bodies[0])
    assert parsed == [*bodies, bodies[0]]


def test_payloads_of_another_shape_are_left_to_protobuf():
    reader = Reader()
    others = [
        b"",
        b"\x0a",
        response(0, 2),  # watch id 0 is not encoded
        response(9, 2),  # nobody asked for it
        response(20_000, 2),
        response(1)[len(HEADER.SerializeToString()) + 2 :],  # no header
        pb.WatchResponse(header=HEADER, watch_id=1, created=True).SerializeToString(),
        pb.WatchResponse(header=HEADER, watch_id=1, canceled=True, compact_revision=7).SerializeToString(),
        pb.WatchResponse(header=HEADER, watch_id=1).SerializeToString(),  # progress
        response(1, 2) + b"\x28\x07",  # a field more
        response(1, 2)[:-1],
        b"\x0a\x81\x01" + b"\x10" * 200,
    ]
    for payload in others:
        reader.receive(payload)
    assert reader.others == others
    reader.deliveries.end_turn()
    assert counters(reader.deliveries) == (0, 0, 0)


def test_values_that_no_writer_of_ours_wrote_are_not_counted():
    reader = Reader()
    foreign = pb.Event(kv=pb.KeyValue(key=b"bench/0", mod_revision=5, value=b"short"))
    deleted = pb.Event(type=1, kv=pb.KeyValue(key=b"bench/0", mod_revision=6))
    reader.receive(response(1, 4) + pb.WatchResponse(events=[foreign, deleted]).SerializeToString())
    reader.receive(pb.WatchResponse(header=HEADER, watch_id=1, events=[foreign]).SerializeToString())
    reader.deliveries.end_turn()
    assert counters(reader.deliveries) == (1, 0, 0)


def test_a_repeated_event_is_a_duplicate():
    reader = Reader()
    for revisions in ((2,), (3,), (3,), (2, 3), (4,)):
        reader.receive(response(1, *revisions))
    reader.deliveries.end_turn()
    assert counters(reader.deliveries)[1:] == (3, 0)
    assert reader.watchers.counts[1] == 3


def test_an_event_that_fills_a_gap_is_out_of_order():
    reader = Reader()
    for revisions in ((2,), (4,), (3,), (5, 8, 7), (7,)):
        reader.receive(response(1, *revisions))
    reader.deliveries.end_turn()
    assert counters(reader.deliveries)[1:] == (1, 2)
    assert reader.watchers.counts[1] == 6


def test_a_gap_is_known_from_what_the_neighbours_saw():
    reader = Reader()
    for revision in (2, 3, 4):
        reader.receive(response(2, revision))
    for revision in (2, 4, 3):
        reader.receive(response(1, revision))
    reader.deliveries.end_turn()
    assert counters(reader.deliveries)[1:] == (0, 1)


def test_lag_is_counted_from_the_highest_that_anybody_saw():
    reader = Reader()
    reader.receive(response(1, 2))
    reader.receive(response(2, 2))
    reader.receive(response(1, 3, 4, 5))
    reader.deliveries.end_turn()
    assert reader.deliveries.lags == {3: 2, 0: 1}


def test_skew_is_between_the_first_and_the_last_delivery_in_any_process():
    here, there = Reader(), Reader()
    here.turn(1 * MS, response(1, 2))
    here.turn(3 * MS, response(2, 2))
    there.turn(9 * MS, response(1, 2))
    there.turn(20 * MS, response(1, 3))  # seen by one watcher only: no skew
    block = merge([share_of(here.deliveries), share_of(there.deliveries)])
    assert block["skew_ms"] == {"p50": 8.0, "p99": 8.0, "max": 8.0}


def test_samples_of_skew_are_bounded():
    reader = Reader()
    for revision in range(2, 4 * MAX_SAMPLED_REVISIONS):
        reader.turn(revision, response(1, revision), response(2, revision))
    assert MAX_SAMPLED_REVISIONS / 2 <= len(reader.deliveries.spreads) <= MAX_SAMPLED_REVISIONS
    assert all(count == 2 for _, _, count in reader.deliveries.spreads.values())


def test_shares_are_json_and_add_up():
    reader = Reader()
    reader.turn(4_000 * MS, *(response(watcher, 2, 3) for watcher in (1, 2, 3)))
    share = {**share_of(reader.deliveries), "watchers": 3, "streams": 1, "expected": 6, "lost": 0}
    writer = {"puts": 2, "first_put_ns": 2_000 * MS, "last_put_ns": 3_000 * MS}
    block = merge(json.loads(json.dumps([share, share, writer])))
    assert block == {
        "watchers": 6, "streams": 2, "delivered": 12, "expected": 12, "lost": 0, "duplicates": 0, "out_of_order": 0,
        "puts": 2, "puts_per_s": 2.0, "fan_out": 6.0, "events_per_response": 2.0, "delivering_s": 2.0,
        "skew_ms": {"p50": 0.0, "p99": 0.0, "max": 0.0}, "lag_revisions": {"p50": 0, "p99": 0, "max": 0},
    }  # fmt: skip


def test_a_run_that_delivered_nothing_has_figures_too():
    block = merge([share_of(Reader().deliveries)])
    assert block["fan_out"] == block["events_per_response"] == block["puts_per_s"] == block["delivering_s"] == 0


def test_expected_counts_follow_from_the_puts():
    for watched, counts in {"prefix": [9, 9, 9], "key": [3, 2, 2], "overlapping": [5, 4, 4]}.items():
        selection = Selection(b"bench/", watched, 4, 8)
        expect = selection.expected(10, failed=[1])  # of the four keys: 3, 2, 2, 2
        assert [expect(watcher) for watcher in (0, 1, 2)] == counts
        written = [selection.key(put) for put in range(10) if put != 1]
        for watcher in range(8):
            assert expect(watcher) == sum(map(selection.selects(watcher), written))


def test_watched_ranges():
    assert Selection(b"bench/", "prefix", 4, 2).watch(3) == (b"bench/", b"bench0")
    assert Selection(b"bench/", "key", 4, 2).watch(5) == (b"bench/01", b"")
    assert Selection(b"bench/", "overlapping", 4, 2).watch(2) == (b"bench/02", b"bench/03\0")
    assert Selection(b"bench/", "key", 1000, 2).key(999) == b"bench/999"


def test_stamps():
    assert read_stamp(stamp_value(12, 34, 256)) == (12, 34)
    assert len(stamp_value(12, 34, 256)) == 256
    assert len(stamp_value(12, 34, 8)) == 16
    assert read_stamp(b"x" * 15) is None
    assert read_stamp_text(stamp_text(12, 34)) == (12, 34)
    assert [read_stamp_text(text) for text in ("", "x 1", "1", None)] == [None] * 4


def test_what_the_warm_up_delivered_is_not_measured_but_still_accounted_for():
    reader = Reader()
    reader.turn(1 * MS, response(1, 2), response(1, 2))
    reader.recorder.begin()
    reader.deliveries.begin()
    reader.turn(3 * MS, response(1, 2), response(1, 3))
    assert reader.watchers.counts[1] == 2
    assert counters(reader.deliveries) == (2, 2, 0)
    assert reader.deliveries.first_seen_ns == 3 * MS


def test_the_slow_way_counts_like_the_fast_one():
    fast, slow = Reader(), Reader()
    payloads = [response(1, 2, 3), response(2, 2, 3), response(1, 3), response(1, 5), response(1, 4)]
    fast.turn(7 * MS, *payloads)
    slow.now_ns = 7 * MS
    for payload in payloads:
        message = pb.WatchResponse.FromString(payload)
        batch = slow.deliveries.enter(batch_of(message, 7))
        assert batch is not None
        slow.deliveries.deliver(slow.watchers, message.watch_id, batch)
    slow.deliveries.end_turn()
    assert counters(slow.deliveries) == counters(fast.deliveries) == (7, 1, 1)
    assert slow.recorder.counts == fast.recorder.counts


def test_a_delivery_costs_one_call():
    """The receiver itself, and nothing below it but for the first watcher of a batch."""
    reader = Reader(watchers=1000)
    payloads = [response(watcher, 2, 3) for watcher in range(1, 1001)]
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        for payload in payloads:
            reader.receive(payload)
    finally:
        sys.setprofile(None)
    assert 1000 <= calls <= 1020
