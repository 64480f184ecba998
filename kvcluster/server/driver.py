"""The shell around a member: one Ready, one append, one send a peer and one write a connection per turn of the event loop.

    inputs (requests, messages, ticks) ──wake──▶ turn: ready → storage → peers → advance, until nothing is left
                                                       → background work, a budgeted bit
                                                       → flush: every connection with output writes once

Everything happens on one event loop; nothing here waits. Whoever feeds the member calls `wake`; a turn is scheduled once,
however often. Connections with output call `mark_dirty`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from kvcluster.errors import EtcdError
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
        self._tick_s = tick_s
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._is_running = False
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
        """Answers everything that waits with `error` (server stopped) and does nothing more."""
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
        self.member.stop(error)
        self._flush()
        for changed in self._changed:
            changed.cancel()

    def wake(self) -> None:
        """There are inputs: a turn is due."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._turn)

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

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when `condition()` holds after a turn. Bound it with asyncio.timeout."""
        while not condition():
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
        if member.background():
            self.wake()
        self._flush()
        if self._changed:
            changed, self._changed = self._changed, []
            for future in changed:
                if not future.done():
                    future.set_result(None)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()
