"""The shell around a member: one Ready, one append, one send a peer and one write a connection per turn of the event loop.

    inputs (requests, messages, ticks) ──wake──▶ turn: ready → storage → peers → advance, until nothing is left
                                                       → background work, a budgeted bit
                                                       → flush: every connection with output writes once

    running ──stop──▶ stopped        everything that waits is answered "server stopped"
       └────a turn raises, or fail()──▶ stopped, and `failed` has the error

Everything happens on one event loop; nothing here waits. Whoever feeds the member calls `wake`; a turn is scheduled once,
however often. Connections with output call `mark_dirty`.

A turn that raises is a bug, or a log that cannot be applied: the member may be half changed, so it answers nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from kvcluster.errors import EtcdError, StoppedError
from kvcluster.member import Member, PeerMessage
from kvcluster.peer import PeerTransport
from kvcluster.raft import LogStorage

log = logging.getLogger(__name__)

MAX_READIES = 64
"""Of one turn; what is left then waits for the next, so that sockets get their say in between."""


class Flushable(Protocol):
    def flush(self) -> None: ...


class Driver:
    """Drives one member. tick_s: seconds of a tick; `on_tick`: called with every tick, before the member's own."""

    def __init__(
        self, member: Member, storage: LogStorage, peers: PeerTransport | None = None, *, tick_s: float = 0.1
    ) -> None:
        self.member = member
        self.on_tick: list[Callable[[], object]] = []
        self.storage = storage
        self.peers = peers
        self.leader_changes = 0
        self._tick_s = tick_s
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Gets the error that ends the member by itself; cancelled by a stop without one."""
        self._known_leader = 0
        self._is_scheduled = False
        self._is_running = False
        self._is_stopped = False
        self._next_tick = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._dirty: list[Flushable] = []
        self._changed: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Time begins."""
        self._is_running = True
        self._next_tick = self._loop.time() + self._tick_s
        self._timer = self._loop.call_at(self._next_tick, self._tick)
        self.wake()

    def stop(self, error: EtcdError | None = None) -> None:
        """Answers everything that waits with `error` (server stopped) and does nothing more. Safe to call twice."""
        self._is_running = False
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self.member.stop(error)
        self._flush()
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_exception(error or StoppedError())
        self.failed.cancel()

    def fail(self, error: Exception) -> None:
        """Ends the member by itself: `failed` says why."""
        if not self.failed.done():
            self.failed.set_exception(error)
        self.stop()

    def fail_soon(self, error: Exception) -> None:
        """As `fail`, once the turn that is running has ended: the member may be in the middle of applying."""
        self._loop.call_soon(self.fail, error)

    def wake(self) -> None:
        """There are inputs: a turn is due."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._turn)

    def offload(self, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """rpc's Offload: work() on a thread, then(its result) on the event loop, followed by a turn."""

        def done(future: asyncio.Future[Any]) -> None:
            if self._is_running:
                then(future.result())
                self.wake()

        self._loop.run_in_executor(None, work).add_done_callback(done)

    def mark_dirty(self, connection: Flushable) -> None:
        """It has output; it is flushed at the end of the turn."""
        self._dirty.append(connection)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._turn)

    def deliver(self, message: PeerMessage) -> None:
        """A message of another member arrived."""
        if self._is_running:
            self.member.receive(message)
            self.wake()

    def unreachable(self, member_id: int) -> None:
        if self._is_running:
            self.member.report_unreachable(member_id)

    def reachable(self, member_id: int) -> None:
        if self._is_running:
            self.member.report_reachable(member_id)
            self.wake()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition()` holds after a turn. Raises StoppedError. Bound it with asyncio.timeout."""
        while not condition():
            if self._is_stopped:
                raise StoppedError
            changed: asyncio.Future[None] = self._loop.create_future()
            self._changed.append(changed)
            await changed

    def _tick(self) -> None:
        now = self._loop.time()
        self._next_tick = max(self._next_tick + self._tick_s, now)  # a late loop loses ticks, it does not catch up
        self._timer = self._loop.call_at(self._next_tick, self._tick)
        for on_tick in self.on_tick:
            on_tick()
        self.member.tick()
        self.wake()

    def _turn(self) -> None:
        self._is_scheduled = False
        if not self._is_running:
            self._flush()
            return
        try:
            self._drive()
        except Exception as error:
            log.exception("member %x cannot go on", self.member.id)
            self.fail(error)
            return
        self._flush()
        if self._changed:
            changed, self._changed = self._changed, []
            for future in changed:
                if not future.done():
                    future.set_result(None)

    def _drive(self) -> None:
        """The member's share of a turn, in the order that member.py demands."""
        member, storage, peers = self.member, self.storage, self.peers
        rounds = 0
        while member.has_ready():
            ready = member.ready()
            if ready.snapshot is not None:
                storage.apply_snapshot(ready.snapshot)
            if ready.entries:
                storage.append(ready.entries)
            if ready.hard_state is not None:
                storage.set_hard_state(ready.hard_state)
            if ready.messages and peers is not None:
                peers.send(ready.messages)
            member.advance(ready)
            rounds += 1
            if rounds >= MAX_READIES:
                self.wake()
                break
        if member.background() or member.has_ready():
            self.wake()
        if member.leader != self._known_leader:
            self._known_leader = member.leader
            self.leader_changes += bool(member.leader)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()
