"""Bounds the log: prunes it, and has snapshots made where that takes one. In steps, so that no turn waits for it.

    storage      a snapshot is made when                          the log is pruned
    durable      `snapshot_entries` were applied since the last   behind each snapshot
                 one, and weigh as much as it, or max_log_bytes
    volatile     another member needs one (wants_snapshot)        all the time, but not past a snapshot that is being
                                                                  made, or that somebody still needs

Behind a prune stay the last `catch_up_entries`, or fewer where those weigh more than `max_catch_up_bytes`, for members
that lag a little. A volatile log never weighs more than `max_log_bytes`: at that bound the snapshot it waited for is given
up; whoever needed it will ask again.

Weights are those of the entries' data, with ENTRY_OVERHEAD_BYTES for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kvcluster.apply import State
from kvcluster.member.config import MemberConfig
from kvcluster.member.snapshot import StateEncoder, encode_state
from kvcluster.raft import ConfState, LogStorage, Snapshot

ENTRY_OVERHEAD_BYTES = 128
"""What an entry weighs beside its data: the tuple, the index, the heads of objects."""

SPAN_BYTES = 64 * 1024
"""Entries are weighed in spans of about this size."""

PRUNE_ENTRIES = 500
"""Pruning begins when there are so many to drop, or as many as stay."""

MAX_PRUNE_ENTRIES = 5_000
"""Dropped in one step: letting go of them is work."""

STEP_RECORDS = 1000
"""Of a snapshot, in one step: about a millisecond's work."""


class LogKeeper:
    """One member's. It is told of what is applied, and drives the storage's snapshots and compactions."""

    __slots__ = ("applied_index", "log_bytes", "_config", "_storage", "_state", "_spans", "_encoder",
                 "_encoder_index", "_encoder_members",
                 "_made_index", "_made_bytes", "_made_tick", "_since_bytes")  # fmt: skip

    def __init__(self, config: MemberConfig, storage: LogStorage, state: State, snapshot: Snapshot) -> None:
        """snapshot: the one that the state comes from."""
        self.applied_index = snapshot.index
        self.log_bytes = 0
        """What the applied entries that are kept weigh. For reading only."""
        self._config = config
        self._storage = storage
        self._state = state
        self._spans: deque[tuple[int, int, int]] = deque()  # (last index, how many, their weight) of those entries
        self._encoder: StateEncoder | None = None
        self._encoder_index = 0
        self._encoder_members: ConfState | None = None
        self._made_index = snapshot.index  # the newest snapshot that the storage has; 0: none
        self._made_bytes = snapshot.size_bytes
        self._made_tick = 0
        self._since_bytes = 0  # what was applied since it was begun

    @property
    def is_making(self) -> bool:
        """Whether a snapshot is being made."""
        return self._encoder is not None

    def applied(self, index: int, count: int, data_bytes: int) -> None:
        """Entries up to `index` were applied: so many, with data of that size."""
        weight = data_bytes + count * ENTRY_OVERHEAD_BYTES
        self.applied_index = index
        self.log_bytes += weight
        self._since_bytes += weight
        spans = self._spans
        if spans and spans[-1][2] + weight <= SPAN_BYTES:
            _, more, more_weight = spans.pop()
            count, weight = count + more, weight + more_weight
        spans.append((index, count, weight))

    def restored(self, snapshot: Snapshot) -> None:
        """State and log were replaced by a snapshot."""
        self._give_up()
        self.applied_index = snapshot.index
        self._made_index = 0 if self._storage.is_volatile else snapshot.index
        self._made_bytes = snapshot.size_bytes
        self._since_bytes = self.log_bytes = 0
        self._spans.clear()

    def step(self, now_tick: int, others_lag: Callable[[], bool]) -> bool:
        """Begins what is due, and does a bit of it; True: there is more.

        others_lag: whether a member that this one leads is being brought up to date.
        """
        if self._encoder is None:
            if self._storage.is_volatile:
                self._look_volatile(now_tick, others_lag)
            else:
                self._look_durable()
        is_making = self._encoder is not None and self._write(self._encoder, now_tick)
        return self._prune() or is_making

    def snapshot_now(self) -> None:
        """The simple twin: a snapshot of what is applied and the log pruned behind it, in one go."""
        self._give_up()
        if self.applied_index > self._made_index:
            data = encode_state(self._state)
            self._storage.create_snapshot(self.applied_index, data)
            self._made_index, self._made_bytes, self._since_bytes = self.applied_index, len(data), 0
        while self._prune(1):
            pass

    def _look_durable(self) -> None:
        behind = self.applied_index - self._made_index
        enough_bytes = min(2 * self._made_bytes, self._config.max_log_bytes)
        if behind >= self._config.snapshot_entries and self._since_bytes >= enough_bytes:
            self._begin()

    def _look_volatile(self, now_tick: int, others_lag: Callable[[], bool]) -> None:
        if self._storage.wants_snapshot:
            if self.applied_index > self._made_index:
                self._begin()
        elif self._made_index and now_tick - self._made_tick >= self._config.snapshot_hold_ticks and not others_lag():
            self._release()

    def _begin(self) -> None:
        self._encoder = StateEncoder(self._state)
        self._encoder_index = self.applied_index
        self._encoder_members = self._storage.initial_state()[1]
        self._since_bytes = 0

    def _write(self, encoder: StateEncoder, now_tick: int) -> bool:
        if encoder.step(STEP_RECORDS):
            return True
        self._made_bytes, self._made_tick = encoder.size_bytes, now_tick
        index = self._made_index = self._encoder_index
        chunks = encoder.chunks()
        self._give_up()
        self._storage.create_snapshot(index, chunks, self._encoder_members)
        return False

    def _give_up(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
            self._encoder_index = 0

    def _release(self) -> None:
        self._made_index = 0
        self._storage.release_snapshot()

    def _prune(self, stride: int = PRUNE_ENTRIES) -> bool:
        """Drops applied entries that nobody is expected to need; True: there are more."""
        config, spans, storage = self._config, self._spans, self._storage
        if not storage.is_volatile:
            limit = self._made_index
        else:
            if self.log_bytes > config.max_log_bytes:
                self._give_up()
                self._release()
            limit = self._encoder_index or self._made_index or self.applied_index
        target = min(limit, self.applied_index - config.catch_up_entries)
        kept_bytes = self.log_bytes
        for last_index, _, weight in spans:
            if last_index > limit or kept_bytes <= config.max_catch_up_bytes:
                break
            kept_bytes -= weight
            target = max(target, last_index)
            stride = 1
        first = storage.first_index()
        count = target + 1 - first
        if count < min(stride, max(config.catch_up_entries, 1)):
            return False
        target = min(target, first + MAX_PRUNE_ENTRIES - 1)
        storage.compact(target)
        self._forget_spans(target)
        return count > MAX_PRUNE_ENTRIES

    def _forget_spans(self, index: int) -> None:
        """Entries up to `index` are gone; a span that is cut is as heavy all over."""
        spans = self._spans
        while spans and spans[0][0] <= index:
            self.log_bytes -= spans.popleft()[2]
        if spans:
            last_index, count, weight = spans[0]
            left = last_index - index
            if left < count:
                left_weight = weight * left // count
                self.log_bytes -= weight - left_weight
                spans[0] = (last_index, left, left_weight)
