"""Linearizable reads: all reads of a turn share one question to the leader (Raft thesis 6.4).

    add ──▶ waiting ──ask──▶ asked ──index──▶ held until applied ≥ index ──▶ released
               ▲               │ no answer in time (retry)
               └───────────────┘

While a question is on its way further reads wait for the next one, which sees everything written before it was asked.
On a change of leader those asked fail with "leader changed", which clients retry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kvcluster.errors import EtcdError

Done = Callable[[EtcdError | None], object]


class Batch(NamedTuple):
    """Reads, each with its deadline, that share a question. retry_tick: when to ask again."""

    reads: list[tuple[Done, int]]
    retry_tick: int


class Reads:
    """One member's, in one of its lives. At most one question is on its way.

    incarnation: part of every context. An answer to a question of an earlier life may still be on its way, and its index
    knows nothing of what was written since.
    """

    __slots__ = ("_waiting", "_asked", "_context", "_held", "_number", "_incarnation")

    def __init__(self, incarnation: int = 0) -> None:
        self._incarnation = incarnation
        self._waiting: list[tuple[Done, int]] = []
        self._asked: Batch | None = None
        self._context = b""
        self._held: list[tuple[int, list[tuple[Done, int]]]] = []
        self._number = 0

    def __len__(self) -> int:
        held = sum(len(reads) for _, reads in self._held)
        return len(self._waiting) + held + (len(self._asked.reads) if self._asked else 0)

    @property
    def waiting_count(self) -> int:
        """Reads that no question has been put for yet."""
        return len(self._waiting)

    @property
    def wants_to_ask(self) -> bool:
        return bool(self._waiting) and self._asked is None

    def add(self, done: Done, deadline_tick: int) -> None:
        self._waiting.append((done, deadline_tick))

    def next_context(self) -> bytes:
        """The name of the next question; `ask` follows if it could be put."""
        self._number += 1
        self._context = b"%d %d" % (self._incarnation, self._number)
        return self._context

    def ask(self, retry_tick: int) -> None:
        """The question of the last context is on its way for everyone waiting."""
        self._asked = Batch(self._waiting, retry_tick)
        self._waiting = []

    def answer(self, context: bytes, index: int) -> None:
        """The leader says: safe once `index` is applied. An answer to an older question is passed over."""
        if self._asked is not None and context == self._context:
            self._held.append((index, self._asked.reads))
            self._asked = None

    def release(self, applied_index: int) -> list[Done]:
        """The reads that may be answered now, in order."""
        if not self._held:
            return []
        ready = [done for index, reads in self._held if index <= applied_index for done, _ in reads]
        self._held = [(index, reads) for index, reads in self._held if index > applied_index]
        return ready

    def take_asked(self) -> list[Done]:
        """The leader changed: those whose question may be lost."""
        if self._asked is None:
            return []
        batch, self._asked = self._asked, None
        return [done for done, _ in batch.reads]

    def retry(self, now_tick: int) -> None:
        """A question without an answer for too long is asked again, with those that came meanwhile."""
        if self._asked is not None and self._asked.retry_tick <= now_tick:
            self._waiting = [*self._asked.reads, *self._waiting]
            self._asked = None

    def expire(self, now_tick: int) -> list[Done]:
        """Those that have waited too long, wherever they stand."""
        expired = [done for done, deadline in self._waiting if deadline <= now_tick]
        self._waiting = [read for read in self._waiting if read[1] > now_tick]
        if self._asked is not None:
            expired += [done for done, deadline in self._asked.reads if deadline <= now_tick]
            self._asked.reads[:] = [read for read in self._asked.reads if read[1] > now_tick]
        held = []
        for index, reads in self._held:
            expired += [done for done, deadline in reads if deadline <= now_tick]
            held.append((index, [read for read in reads if read[1] > now_tick]))
        self._held = [(index, reads) for index, reads in held if reads]
        return expired

    def abandon(self) -> list[Done]:
        dones = [done for done, _ in self._waiting] + self.take_asked()
        dones += [done for _, reads in self._held for done, _ in reads]
        self._waiting, self._held = [], []
        return dones
