"""How far one member's log is known to have come, and how fast the leader may send to it.

    PROBE ──── an append was accepted ───▶ REPLICATE
      ▲ ◀── a reject, or unreachable ────────┘
      │ snapshot reported, timed out,
      │ or acknowledged              SNAPSHOT ◀── (from either) the entries it needs are compacted
      └───────────────────────────────┘

PROBE: where its log parts from ours is unknown; one append at a time, the next one after an answer or a heartbeat's.
REPLICATE: it follows; appends are sent ahead of their answers (pipelining), `next` moves when they are sent.
SNAPSHOT: nothing is sent until the snapshot has arrived or is given up.

Invariant: 0 <= match < next. `match` is a promise of the member and never falls within a leader's term; `next` is our
guess and may.
"""

from __future__ import annotations

from enum import IntEnum

from kvcluster.raft.inflights import Inflights


class ProgressState(IntEnum):
    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


class Progress:
    """The leader's view of one member (of itself too, where only `match` matters)."""

    __slots__ = (
        "match",
        "next",
        "state",
        "sent_commit",
        "pending_snapshot",
        "snapshot_ticks",
        "recent_active",
        "probe_sent",
        "inflights",
    )

    def __init__(self, match: int, next: int, max_inflight_messages: int) -> None:
        self.match = match
        self.next = next
        self.state = ProgressState.PROBE
        self.sent_commit = 0  # the newest commit index that an append carried to it
        self.pending_snapshot = 0  # SNAPSHOT: the index of the snapshot on its way
        self.snapshot_ticks = 0  # SNAPSHOT: for how long
        self.recent_active = False  # heard of since the last check of the quorum
        self.probe_sent = False  # PROBE: an append is unanswered
        self.inflights = Inflights(max_inflight_messages)

    @property
    def is_paused(self) -> bool:
        """True while no append with entries may be sent."""
        if self.state is ProgressState.REPLICATE:
            return self.inflights.is_full
        if self.state is ProgressState.PROBE:
            return self.probe_sent
        return True

    def become_probe(self) -> None:
        """Starts over behind what is known: after a snapshot, behind the snapshot if it arrived."""
        if self.state is ProgressState.SNAPSHOT:
            self.next = max(self.match, self.pending_snapshot) + 1
        else:
            self.next = self.match + 1
        self._enter(ProgressState.PROBE)

    def become_replicate(self) -> None:
        self._enter(ProgressState.REPLICATE)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        """A snapshot at `index` is being sent; entries behind it will be next."""
        self._enter(ProgressState.SNAPSHOT)
        self.pending_snapshot = index
        self.next = index + 1

    def _enter(self, state: ProgressState) -> None:
        self.state = state
        self.pending_snapshot = 0
        self.snapshot_ticks = 0
        self.probe_sent = False
        # What an append told it of the commit index is as uncertain as the append itself.
        self.sent_commit = min(self.sent_commit, self.match)
        self.inflights.clear()

    def sent_entries(self, last_index: int) -> None:
        """Notes an append with entries up to `last_index`. Raises ValueError in SNAPSHOT, where none may be sent."""
        if self.state is ProgressState.REPLICATE:
            self.next = last_index + 1
            self.inflights.add(last_index)
        elif self.state is ProgressState.PROBE:
            self.probe_sent = True
        else:
            raise ValueError("no append is sent while a snapshot is on its way")

    def try_update(self, index: int) -> bool:
        """The member holds everything up to `index`. False if that was known (an old or repeated answer)."""
        if index <= self.match:
            return False
        self.match = index
        self.next = max(self.next, index + 1)
        self.probe_sent = False
        return True

    def try_decrease(self, rejected: int, match_hint: int) -> bool:
        """The member refused an append behind `rejected` and says it may match up to `match_hint`.

        False for a refusal that is no news: appends may be repeated, delayed and overtaken by the network.
        """
        if self.state is ProgressState.REPLICATE:
            if rejected <= self.match:
                return False
            self.next = self.match + 1
            return True
        if self.next - 1 != rejected:
            return False
        self.next = max(min(rejected, match_hint + 1), self.match + 1)
        self.probe_sent = False
        return True

    def _check(self) -> None:
        assert 0 <= self.match < self.next, (self.match, self.next)
        assert (self.state is ProgressState.SNAPSHOT) == (self.pending_snapshot > 0)
        assert self.state is ProgressState.REPLICATE or len(self.inflights) == 0
        self.inflights._check()
