"""What the cluster did, as its watchers saw it, and whether that is one story.

Every member has a watcher of everything. The first to report a revision writes it into the history; all others must
report the same. So the history is built from the public face alone, and the checks of clients' operations
(checkers.py) compare with what any watcher of the real thing would have seen.

Checked here, per member (etcd's watch guarantees): ordered, unique, reliable (no revision is left out), atomic (all of a
revision's events at once). Across members: the same events. And that no value is written twice: values are unique, so a
value that appears in two revisions is a proposal that was applied twice.
"""

from __future__ import annotations

from typing import NamedTuple

from kvcluster.sim.violation import Violation


class Change(NamedTuple):
    """One event: value is None for a delete."""

    key: bytes
    value: bytes | None
    create_revision: int
    version: int
    lease: int


class Written(NamedTuple):
    """A key as it was after some revision."""

    mod_revision: int
    value: bytes | None


class History:
    """Revisions 2, 3, … without a gap up to `last_revision`; revision 1 is the empty store."""

    def __init__(self) -> None:
        self.last_revision = 1
        self._changes: dict[int, tuple[Change, ...]] = {}
        self._keys: dict[bytes, list[Written]] = {}
        self._values: dict[bytes, int] = {}

    def record(self, who: str, revision: int, changes: tuple[Change, ...]) -> None:
        """Member `who` reported the changes of a revision. Raises Violation where others, or it, told otherwise."""
        known = self._changes.get(revision)
        if known is not None:
            if known != changes:
                raise Violation(f"revision {revision} is {changes} at {who}, but was {known}")
            return
        if revision != self.last_revision + 1:
            raise Violation(f"{who} is the first to report revision {revision}, after {self.last_revision}")
        self.last_revision = revision
        self._changes[revision] = changes
        for change in changes:
            self._keys.setdefault(change.key, []).append(Written(revision, change.value))
            if change.value is not None:
                first = self._values.setdefault(change.value, revision)
                if first != revision:
                    raise Violation(f"value {change.value!r} was written at {first} and again at {revision}")

    def changes(self, revision: int) -> tuple[Change, ...]:
        """What happened at a revision; () for 1."""
        return self._changes.get(revision, ())

    def at(self, key: bytes, revision: int) -> Written:
        """The key as it was after `revision`; mod_revision 0 where it did not exist."""
        found = Written(0, None)
        for written in reversed(self._keys.get(key, [])):
            if written.mod_revision <= revision:
                found = written
                break
        return Written(0, None) if found.value is None else found

    def find_value(self, value: bytes) -> int | None:
        """The revision that wrote a value."""
        return self._values.get(value)


class MemberStory:
    """What one member's watcher was told, in the order it was told; restarts begin a new one."""

    def __init__(self, history: History, who: str) -> None:
        self._history = history
        self._who = who
        self.last_revision: int | None = None

    def begin(self, last_revision: int) -> None:
        """The watcher's first event will be of the revision after this one."""
        self.last_revision = last_revision

    def tell(self, changes: dict[int, tuple[Change, ...]]) -> None:
        """A delivery: whole revisions. Raises Violation."""
        for revision, of_revision in changes.items():
            expected = None if self.last_revision is None else self.last_revision + 1
            if revision != expected:
                raise Violation(f"{self._who} reports revision {revision}, {expected} comes next")
            self.last_revision = revision
            self._history.record(self._who, revision, of_revision)
