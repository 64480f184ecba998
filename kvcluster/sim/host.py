"""One simulated machine: a member, its storage, its clock, and the shell that drives them.

    UP ──stop, crash──▶ DOWN ──start──▶ UP        the storage stays: a member with a durable log
    UP ──pause──▶ PAUSED ──its time is over──▶ UP     it gets no time; what is sent to it waits

The shell is the one of kvcluster/server: once a turn Ready, persist, send, advance. A crash happens within a turn, at one
of the points between these. The state machine is always rebuilt: from the snapshot in the storage, then by replay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kvcluster import pb
from kvcluster.member import Member, MemberConfig, PeerMessage
from kvcluster.raft import Entry, MemoryStorage
from kvcluster.sim.faults import CrashPoint
from kvcluster.sim.history import Change, History, MemberStory
from kvcluster.watch import Subscription

EVERYTHING = b"\0"
"""As key and range_end: all keys."""

MAX_TURNS = 10_000
"""Readies of one member in one step; more than this is a machine that does not come to rest."""


class Host:
    """Driven by the simulation: `step` once a step, `receive` for what arrives."""

    def __init__(
        self,
        config: MemberConfig,
        storage: MemoryStorage,
        history: History,
        send: Callable[[Sequence[PeerMessage]], None],
        see_committed: Callable[[int, list[Entry]], None],
    ) -> None:
        self.config = config
        self.id = config.id
        self.storage = storage
        self.member: Member | None = None
        self.steps_per_tick = 2
        self.paused_until = 0
        self.crash_point: CrashPoint | None = None
        self.story: MemberStory | None = None
        self._history = history
        self._send = send
        self._see_committed = see_committed
        self._inbox: list[PeerMessage] = []
        self._subscription: Subscription | None = None
        self._resubscribe_from: int | None = None

    def start(self) -> None:
        """A new member on the old storage, with a watcher of everything."""
        self.config = replace(self.config, incarnation=self.config.incarnation + 1)
        self.member = Member(self.config, self.storage)
        self.crash_point = None
        self.story = MemberStory(self._history, f"member {self.id}")
        self._subscribe(2)

    def stop(self) -> None:
        """Everything but the storage is gone. Nobody is told: their calls stay unanswered."""
        self.member = None
        self.story = None
        self._subscription = None
        self._inbox.clear()
        self.crash_point = None

    def is_running(self, now: int) -> bool:
        return self.member is not None and now >= self.paused_until

    def receive(self, message: PeerMessage) -> None:
        """Keeps a message for the next turn; a machine that is down loses it."""
        if self.member is not None:
            self._inbox.append(message)

    def compact_log(self) -> None:
        """A snapshot now, however few entries there are, and the log behind it goes."""
        if self.member is not None:
            self.member.create_snapshot()

    def step(self, now: int) -> None:
        """One step of this machine's time: its clock, its messages, its turn."""
        if not self.is_running(now) or self.member is None:
            return
        if now % self.steps_per_tick == 0:
            self.member.tick()
        inbox, self._inbox = self._inbox, []
        for message in inbox:
            self.member.receive(message)
        self._turn(self.member)

    def _turn(self, member: Member) -> None:
        for _ in range(MAX_TURNS):
            if not member.has_ready():
                break
            if not self._take_ready(member):
                self.stop()
                return
        else:
            raise AssertionError(f"member {self.id} has always more to do")
        if self._resubscribe_from is not None:
            self._subscribe(self._resubscribe_from)
        while member.background():
            pass

    def _take_ready(self, member: Member) -> bool:
        """One Ready; False if the machine died in the middle."""
        ready = member.ready()
        if self.crash_point is CrashPoint.BEFORE_PERSIST:
            return False
        if ready.snapshot is not None:
            self.storage.apply_snapshot(ready.snapshot)
        self.storage.append(ready.entries)
        if ready.hard_state is not None:
            self.storage.set_hard_state(ready.hard_state)
        if self.crash_point is CrashPoint.BEFORE_SEND:
            return False
        self._send(ready.messages)
        if self.crash_point is CrashPoint.BEFORE_APPLY:
            return False
        self._see_committed(self.id, ready.committed)
        member.advance(ready)
        return True

    # The watcher: a Sink of the hub, always with room.

    def _subscribe(self, start_revision: int) -> None:
        assert self.member is not None and self.story is not None
        self._resubscribe_from = None
        self.story.begin(start_revision - 1)
        self._subscription = self.member.hub.subscribe(EVERYTHING, EVERYTHING, start_revision, sink=self)

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        """Decodes what a client would have got, and tells the story. Raises Violation."""
        decoded = pb.WatchResponse.FromString(events).events
        changes: dict[int, list[Change]] = {}
        for event in decoded:
            kv = event.kv
            value = kv.value if event.type == pb.Event.PUT else None
            change = Change(kv.key, value, kv.create_revision, kv.version, kv.lease)
            changes.setdefault(kv.mod_revision, []).append(change)
        assert len(decoded) == count and max(changes) <= revision
        assert self.story is not None
        self.story.tell({revision: tuple(of_revision) for revision, of_revision in changes.items()})
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        """What it asked for is compacted away: a watcher begins again at the oldest revision that is kept."""
        self._resubscribe_from = compact_revision
