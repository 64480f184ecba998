"""What a watch sends: an object's change, and the lines that say it, each built once however many watch.

A change is ADDED, MODIFIED or DELETED of the object itself. What a watcher with a selector hears depends on whether the object
matched before and matches now:

                matches now    does not
    matched     MODIFIED       DELETED (the state before, under the new revision)
    did not     ADDED          nothing
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

from apiserver.storage.stored import Stored

ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"

Accepts = Callable[[Stored], bool]


class Render(Protocol):
    """How a media type shows an object in a watch; `key` tells two renders apart. first: the first line of a watch."""

    key: Hashable

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes: ...


class JsonRender:
    """Plain objects: the stored bytes, spliced."""

    key: Hashable = "json"

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        return b"".join((b'{"type":"', type.encode(), b'","object":', stored.encoded, b"}\n"))


class Change:
    """One change of one object. `now`: None for a deletion; `before`: None for a creation."""

    __slots__ = ("revision", "now", "before", "_lines")

    def __init__(self, revision: int, now: Stored | None, before: Stored | None) -> None:
        self.revision = revision
        self.now = now
        self.before = before
        self._lines: dict[tuple[str, Hashable], bytes] = {}

    def heard(self, accepts: Accepts | None) -> tuple[str, Stored] | None:
        """What a watcher that accepts such objects hears, or None."""
        matches = self.now is not None and (accepts is None or accepts(self.now))
        matched = self.before is not None and (accepts is None or accepts(self.before))
        if matches:
            assert self.now is not None
            return (MODIFIED if matched else ADDED), self.now
        if matched:
            assert self.before is not None
            return DELETED, self.before.at(self.revision)
        return None

    def line(self, type: str, stored: Stored, render: Render) -> bytes:
        """The line for everyone but those whose first it is."""
        key = (type, render.key)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = render(type, stored, False)
        return line


class WatchLimits(NamedTuple):
    """ring: changes kept for watchers that come late; older ones get 410. queue: lines a watcher may be behind; more ends it."""

    ring: int = 10_000
    queue: int = 2_000
