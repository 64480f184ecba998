"""Flow control a piece at a time: the states of a member's progress, its window, the rounds of reads, the dice."""

from __future__ import annotations

import pytest

from kvcluster.raft import ConfState, Prng
from kvcluster.raft.inflights import Inflights
from kvcluster.raft.progress import Progress, ProgressState
from kvcluster.raft.readonly import ReadOnly
from kvcluster.raft.tracker import Tracker


def test_a_probe_waits_for_its_answer():
    progress = Progress(match=0, next=6, max_inflight_messages=2)
    assert not progress.is_paused
    progress.sent_entries(6)
    assert progress.is_paused
    assert progress.next == 6
    assert progress.try_update(6)
    progress.become_replicate()
    assert (progress.match, progress.next, progress.is_paused) == (6, 7, False)
    progress._check()


def test_replicate_runs_ahead_until_the_window_is_full():
    progress = Progress(match=6, next=7, max_inflight_messages=2)
    progress.become_replicate()
    progress.sent_entries(8)
    progress.sent_entries(9)
    assert progress.is_paused
    assert progress.next == 10
    with pytest.raises(ValueError, match="full"):
        progress.sent_entries(10)
    progress.inflights.free_to(8)
    assert not progress.is_paused
    progress._check()


def test_a_refusal_moves_a_probe_only_if_it_answers_the_last_one():
    progress = Progress(match=2, next=9, max_inflight_messages=2)
    assert not progress.try_decrease(rejected=5, match_hint=1), "a late answer to an older probe"
    assert progress.next == 9
    assert progress.try_decrease(rejected=8, match_hint=5)
    assert progress.next == 6
    assert progress.try_decrease(rejected=5, match_hint=0)
    assert progress.next == 3, "never below what is known to match"


def test_a_refusal_in_replicate_is_news_only_above_the_match():
    progress = Progress(match=5, next=6, max_inflight_messages=4)
    progress.become_replicate()
    progress.sent_entries(9)
    assert not progress.try_decrease(rejected=5, match_hint=5)
    assert progress.try_decrease(rejected=8, match_hint=7)
    assert progress.next == 6


def test_a_snapshot_stops_everything_until_it_is_over():
    progress = Progress(match=1, next=2, max_inflight_messages=4)
    progress.become_snapshot(10)
    assert progress.is_paused
    with pytest.raises(ValueError, match="snapshot"):
        progress.sent_entries(2)
    progress._check()
    progress.become_probe()
    assert (progress.state, progress.next) == (ProgressState.PROBE, 11)
    progress.become_snapshot(20)
    assert progress.try_update(25), "it got there by itself"
    progress.become_probe()
    assert progress.next == 26


def test_inflights_free_cumulatively():
    window = Inflights(3)
    for index in (4, 7, 9):
        window.add(index)
    assert window.is_full
    window.free_to(3)
    assert len(window) == 3
    window.free_to(8)
    assert len(window) == 1
    window._check()
    window.clear()
    assert len(window) == 0


def test_a_read_round_is_confirmed_by_a_majority_and_confirms_the_ones_before():
    reads = ReadOnly()
    reads.begin_round(5, asker=1, context=b"a")
    first = reads.round_context()
    reads.begin_round(6, asker=2, context=b"a")
    second = reads.round_context()
    voters = (1, 2, 3, 4, 5)
    assert reads.acknowledge(2, second, 1, voters) == []
    assert reads.acknowledge(2, second, 1, voters) == [], "one member is one voice"
    assert reads.acknowledge(9, second, 1, voters) == [], "not a voter"
    assert [(r.index, r.asker) for r in reads.acknowledge(3, first, 1, voters)] == [(5, 1)]
    assert reads.acknowledge(3, b"noise", 1, voters) == []
    assert [(r.index, r.asker) for r in reads.acknowledge(4, second, 1, voters)] == [(6, 2)]
    assert reads.round_context() == b""


def test_a_new_configuration_keeps_what_is_known_of_those_who_stay():
    tracker = Tracker(ConfState((1, 2, 3)), 8)
    tracker.progress[2].try_update(7)
    tracker.switch(ConfState((1, 2), (4,)), next=9)
    assert tracker.progress[2].match == 7
    assert (tracker.progress[4].match, tracker.progress[4].next) == (0, 9)
    assert list(tracker.progress) == [1, 2, 4]
    assert not tracker.is_singleton
    tracker._check()


def test_the_dice_are_the_same_everywhere():
    prng = Prng(0)
    assert [prng.next() for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert all(Prng(seed).below(3) < 3 for seed in range(50))
    with pytest.raises(ValueError):
        prng.below(0)
