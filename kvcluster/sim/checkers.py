"""The promises, one checker each. They look from outside and share no code with what they check.

    ElectionSafety     at most one leader a term (Raft, figure 3)
    LogMatching        entries of the same index and term are the same on all members, and committed ones stay
    StateEquality      members that have applied the same index are the same, byte for byte
    Linearizability    every answered operation took effect at one moment between its call and its answer

Linearizability is checked with a witness instead of a search: a store's revisions are its claim in which order operations
took effect. The claim must (a) make every answer right, replayed in that order, and (b) not contradict real time: who was
called after another was answered comes later. (a) and (b) together are linearizability, for the whole store at once (strict
serializability of single operations and transactions), and the check is linear. "Acknowledged writes are never lost" is (a):
the history must have them, at the revision that was answered.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from kvcluster.raft import Entry, MemoryStorage
from kvcluster.sim.history import History
from kvcluster.sim.violation import Violation


class ElectionSafety:
    """One leader a term."""

    def __init__(self) -> None:
        self._leaders: dict[int, int] = {}

    def see_leader(self, id: int, term: int) -> None:
        known = self._leaders.setdefault(term, id)
        if known != id:
            raise Violation(f"members {known} and {id} both led term {term}")

    @property
    def elections(self) -> int:
        return len(self._leaders)


class LogMatching:
    """What was committed anywhere, by index, and what the storages hold.

    `see_committed` takes what a Ready hands out; the first to commit an index fixes its entry for ever.
    """

    def __init__(self) -> None:
        self._committed: dict[int, Entry] = {}

    def see_committed(self, id: int, entries: list[Entry]) -> None:
        for entry in entries:
            known = self._committed.setdefault(entry.index, entry)
            if known != entry:
                raise Violation(f"member {id} commits {entry} where {known} was committed")

    def compare(self, storages: dict[int, MemoryStorage]) -> None:
        """Raises Violation where two logs agree at an index and not below it, or a term's entry differs."""
        logs: dict[int, dict[int, Entry]] = {}
        for id, storage in storages.items():
            first, last = storage.first_index(), storage.last_index()
            entries = storage.entries(first, last + 1, 1 << 40) if first <= last else []
            logs[id] = {entry.index: entry for entry in entries}
        ids = list(logs)
        for position, one in enumerate(ids):
            for other in ids[position + 1 :]:
                self._compare_pair(one, logs[one], other, logs[other])

    def _compare_pair(self, one: int, mine: dict[int, Entry], other: int, theirs: dict[int, Entry]) -> None:
        must_match = False
        for index in sorted(mine, reverse=True):
            entry, their = mine[index], theirs.get(index)
            if their is None:
                continue
            if entry.term == their.term:
                must_match = True
            if must_match and entry != their:
                raise Violation(
                    f"logs of {one} and {other} agree above index {index}, where they have {entry}, {their}"
                )


class StateEquality:
    """A state is whatever the caller makes of it: hashes of store and leases."""

    def __init__(self) -> None:
        self._states: dict[int, tuple[int, object]] = {}

    def see_state(self, id: int, applied_index: int, state: object) -> None:
        first_id, known = self._states.setdefault(applied_index, (id, state))
        if known != state:
            raise Violation(f"at applied index {applied_index} member {id} has {state}, member {first_id} had {known}")


class Kind(IntEnum):
    PUT = 0
    DELETE = 1
    SWAP = 2  # a transaction: put if mod_revision is as expected
    READ = 3  # linearizable
    STALE_READ = 4  # serializable: of some past moment, but a true one
    GRANT = 5
    COMPACT = 6
    RENEW = 7


class Operation:
    """One call of one client. Who called fills in the upper half, the answer the lower."""

    __slots__ = ("kind", "client", "member", "key", "value", "expected", "lease", "begin_step", "floor",
                 "end_step", "revision", "succeeded", "mod_revision", "found", "error")  # fmt: skip

    def __init__(self, kind: Kind, client: int, member: int, begin_step: int, floor: int) -> None:
        self.kind = kind
        self.client = client
        self.member = member
        self.key = b""
        self.value = b""
        self.expected = 0
        self.lease = 0
        self.begin_step = begin_step
        self.floor = floor  # the newest revision that anybody had been answered when this was called
        self.end_step: int | None = None
        self.revision = 0
        self.succeeded = False
        self.mod_revision = 0
        self.found: bytes | None = None
        self.error: Exception | None = None

    def __repr__(self) -> str:
        return (
            f"{self.kind.name} {self.key!r} {self.value!r} of client {self.client} at member {self.member}, "
            f"steps {self.begin_step}-{self.end_step}, revision {self.revision}, floor {self.floor}"
        )


class Linearizability:
    """Takes answered operations; checks each as soon as the history reaches its revision."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: list[Operation] = []
        self.newest_answered = 1
        self.checked = 0

    def see_answer(self, operation: Operation) -> None:
        """Real time first: nothing that is answered may lie before what had been answered when it was called."""
        if operation.kind is not Kind.STALE_READ and operation.kind is not Kind.RENEW:
            if operation.revision < operation.floor:
                raise Violation(f"stale: {operation}")
            self.newest_answered = max(self.newest_answered, operation.revision)
        self._waiting.append(operation)

    def check(self) -> None:
        """Replays what the history has reached by now."""
        known = self._history.last_revision
        ready = [operation for operation in self._waiting if operation.revision <= known]
        self._waiting = [operation for operation in self._waiting if operation.revision > known]
        for operation in ready:
            _REPLAY[operation.kind](self._history, operation)
            self.checked += 1

    def finish(self) -> None:
        """At the end nothing may be left: an answered revision that no watcher ever saw was lost."""
        self.check()
        if self._waiting:
            raise Violation(f"lost: the history ends at {self._history.last_revision}: {self._waiting[0]}")


def _check_written(history: History, operation: Operation, value: bytes | None) -> None:
    for change in history.changes(operation.revision):
        if change.key == operation.key and change.value == value:
            return
    raise Violation(f"lost: revision {operation.revision} is {history.changes(operation.revision)}: {operation}")


def _replay_put(history: History, operation: Operation) -> None:
    _check_written(history, operation, operation.value)
    if operation.revision <= operation.floor:
        raise Violation(f"a write took effect before it was called: {operation}")


def _replay_delete(history: History, operation: Operation) -> None:
    if operation.succeeded:
        _check_written(history, operation, None)
        if operation.revision <= operation.floor:
            raise Violation(f"a write took effect before it was called: {operation}")
    elif history.at(operation.key, operation.revision).mod_revision:
        raise Violation(f"deleted nothing, but the key was there: {operation}")


def _replay_swap(history: History, operation: Operation) -> None:
    if operation.succeeded:
        _replay_put(history, operation)
        before = history.at(operation.key, operation.revision - 1).mod_revision
        if before != operation.expected:
            raise Violation(f"swapped at mod_revision {before}, {operation.expected} was expected: {operation}")
    else:
        there = history.at(operation.key, operation.revision).mod_revision
        if there == operation.expected:
            raise Violation(f"refused to swap, although the key was as expected ({there}): {operation}")


def _replay_read(history: History, operation: Operation) -> None:
    written = history.at(operation.key, operation.revision)
    if (written.mod_revision, written.value) != (operation.mod_revision, operation.found):
        raise Violation(f"read {operation.mod_revision} {operation.found!r} where {written} was: {operation}")


def _replay_nothing(history: History, operation: Operation) -> None:
    """Grants and compactions write no revision; their floor was checked when they were answered. Renewals have none."""


_REPLAY: dict[Kind, Callable[[History, Operation], None]] = {
    Kind.PUT: _replay_put,
    Kind.DELETE: _replay_delete,
    Kind.SWAP: _replay_swap,
    Kind.READ: _replay_read,
    Kind.STALE_READ: _replay_read,
    Kind.GRANT: _replay_nothing,
    Kind.COMPACT: _replay_nothing,
    Kind.RENEW: _replay_nothing,
}
