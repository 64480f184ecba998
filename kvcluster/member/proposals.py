"""Requests on their way through the log: queued, proposed, committed; or timed out.

    add ──▶ queued ──take──▶ proposed ──find (its entry was applied)──▶ answered
              └──────────────────┴───────── expire ──▶ answered with a timeout

An entry's data is op (1 byte) + life (8 bytes: this member in this incarnation) + number (8 bytes) + the client's own request.
`find` knows an entry of its own by those three, its head. A request that timed out may still be committed: its answer says
so by being a timeout and not a refusal (etcd: "request timed out").
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

from kvcluster.apply import Applied

Done = Callable[[Applied], object]

_NUMBER = struct.Struct(">Q")
HEAD_BYTES = 17
"""Where the client's request begins in an entry's data."""


class Proposals:
    """One member's. `waiting`: the requests without an answer, for reading only.

    Deadlines are ticks and grow with every add, so the first in the table is the first to expire.
    """

    __slots__ = ("queued", "queued_changes", "waiting", "_life", "_heads", "_number")

    def __init__(self, member_id: int, incarnation: int) -> None:
        self._life = hashlib.sha1(b"%d %d" % (member_id, incarnation)).digest()[:8]
        self._heads = [bytes([op]) + self._life for op in range(256)]
        self._number = 0
        self.queued: list[bytes] = []
        self.queued_changes: list[bytes] = []
        """Of members, until they are answered; they are proposed one at a time."""
        self.waiting: dict[bytes, tuple[Done, Any, int]] = {}  # by head

    def add(self, op: int, payload: bytes, done: Done, parsed: Any, deadline_tick: int) -> None:
        number = self._number = self._number + 1
        head = self._heads[op] + _NUMBER.pack(number)
        self.waiting[head] = (done, parsed, deadline_tick)
        self.queued.append(head + payload)

    def add_change(self, op: int, payload: bytes, done: Done, parsed: Any, deadline_tick: int) -> None:
        """As `add`, for a change of members."""
        self.add(op, payload, done, parsed, deadline_tick)
        self.queued_changes.append(self.queued.pop())

    def oldest_change(self) -> bytes | None:
        """The change of members that is to be proposed; those that have an answer are forgotten."""
        while self.queued_changes and self.queued_changes[0][:HEAD_BYTES] not in self.waiting:
            del self.queued_changes[0]
        return self.queued_changes[0] if self.queued_changes else None

    def take(self) -> list[bytes]:
        """Everything queued, in order; the caller proposes it, or puts it back into `queued`."""
        taken, self.queued = self.queued, []
        return taken

    def find(self, data: bytes) -> tuple[Done, Any, int] | None:
        """(done, parsed, deadline) of the request behind an entry, which is answered with this; None for others'."""
        return self.waiting.pop(data[:HEAD_BYTES], None)

    def expire(self, now_tick: int) -> list[Done]:
        """Those whose deadline has passed; what of them is still queued will not be proposed."""
        expired: dict[bytes, Done] = {}
        for head, (done, _, deadline_tick) in self.waiting.items():
            if deadline_tick > now_tick:
                break
            expired[head] = done
        for head in expired:
            del self.waiting[head]
        if expired and self.queued:
            self.queued = [data for data in self.queued if data[:HEAD_BYTES] not in expired]
        if expired and self.queued_changes:
            self.queued_changes = [data for data in self.queued_changes if data[:HEAD_BYTES] not in expired]
        return list(expired.values())

    def withdraw(self, done: Done) -> None:
        """Takes back what `done` is to answer, as far as it is only queued; nobody is answered."""
        kept = []
        for data in self.queued:
            head = data[:HEAD_BYTES]
            if self.waiting[head][0] == done:
                del self.waiting[head]
            else:
                kept.append(data)
        self.queued = kept

    def abandon(self) -> list[Done]:
        """All of them: the member stops."""
        dones = [done for done, _, _ in self.waiting.values()]
        self.waiting.clear()
        self.queued.clear()
        self.queued_changes.clear()
        return dones

    def fresh_id(self) -> int:
        """A positive 63-bit number that no other member and no other life gives out, but by a 1 in 2**63 chance."""
        self._number += 1
        digest = hashlib.sha1(self._life + _NUMBER.pack(self._number)).digest()
        return int.from_bytes(digest[:8], "big") >> 1 or 1
