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
Frame = Callable[[bytes], bytes]


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

    __slots__ = ("revision", "now", "before", "size_bytes", "_gone")

    def __init__(self, revision: int, now: Stored | None, before: Stored | None) -> None:
        self.revision = revision
        self.now = now
        self.before = before
        # About what keeping it costs: the state before is nobody's but the ring's.
        self.size_bytes = 200 + (before.size_bytes if before is not None else 0)
        self._gone: Stored | None = None

    def heard(self, accepts: Accepts | None) -> tuple[str, Stored] | None:
        """What a watcher that accepts such objects hears, or None."""
        now, before = self.now, self.before
        if now is not None and (accepts is None or accepts(now)):
            return (MODIFIED if before is not None and (accepts is None or accepts(before)) else ADDED), now
        if before is not None and (accepts is None or accepts(before)):
            if self._gone is None:  # one copy, so that its bytes are spliced once for all groups
                self._gone = before.at(self.revision)
            return DELETED, self._gone
        return None


class Lines:
    """Lines of one or more changes for all watchers of a group. revision: of the last; `framed`: as a transport wants them."""

    __slots__ = ("revision", "data", "count", "_frame", "_framed")

    def __init__(self, revision: int, data: bytes, count: int) -> None:
        self.revision = revision
        self.data = data
        self.count = count
        self._frame: Frame | None = None
        self._framed = b""

    def framed(self, frame: Frame) -> bytes:
        """`frame(data)`, made once for all who use the same frame."""
        if self._frame is not frame:
            self._frame, self._framed = frame, frame(self.data)
        return self._framed


class WatchLimits(NamedTuple):
    """What a watch cache may hold.

    ring, ring_bytes: changes kept for watchers that come late; older ones get 410.
    queue, queue_bytes: what a watcher may be behind; more ends it.
    """

    ring: int = 10_000
    ring_bytes: int = 64 * 1024 * 1024
    queue: int = 10_000
    queue_bytes: int = 16 * 1024 * 1024
