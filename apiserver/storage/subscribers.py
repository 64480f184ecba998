"""Who watches: groups that want the same, and watchers that are told.

    subscribe ──▶ queued ──attach──▶ live: lines go straight to the listener ──▶ over
                     └── more than its queue may hold ─────────────────────────────┘

Watchers with the same selection and media type are a group. The group decides once per change whether its watchers hear of it,
and joins what the feed brought in one turn into one piece of bytes that all of them are handed: a watcher costs one call per
turn, and no encoding. A watcher that does not read is not waited for; it is ended, and comes back by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

from apiserver.errors import StatusError
from apiserver.storage.events import Accepts, Change, Lines, Render, WatchLimits
from apiserver.storage.stored import Stored


class Listener(Protocol):
    """Where a watcher's lines go. Neither method may subscribe, unsubscribe or raise."""

    def deliver(self, lines: Lines) -> bool:
        """False: it cannot take any more, and is over."""
        ...

    def over(self, error: StatusError | None) -> None:
        """Nothing will come any more; `error` says why, None = it was too slow, or the server stops."""
        ...


class Trigger(NamedTuple):
    """A field that must have one value: its name, how to read it, the value. Groups with one are found by it, not asked."""

    label: str
    read: Callable[[Stored], str]
    value: str


class Subscriber:
    """One watcher. after: the revision it has seen already; the cache may be behind that."""

    __slots__ = ("group", "after", "is_first", "error", "_queue", "_lines", "_bytes", "_limits", "_listener", "_ended")

    def __init__(self, limits: WatchLimits, group: Group, after: int, is_first: bool) -> None:
        self.group = group
        self.after = after
        self.is_first = is_first
        self.error: StatusError | None = None
        self._queue: deque[Lines] = deque()
        self._lines = 0
        self._bytes = 0
        self._limits = limits
        self._listener: Listener | None = None
        self._ended = False

    def push(self, lines: Lines) -> bool:
        """False: that was too much, or it is over."""
        if self._ended:
            return False
        if self._listener is not None:
            return self._listener.deliver(lines)
        self._lines += lines.count
        self._bytes += len(lines.data)
        if self._lines > self._limits.queue or self._bytes > self._limits.queue_bytes:
            return False
        self._queue.append(lines)
        return True

    def attach(self, listener: Listener) -> None:
        """What is queued, and everything from now on, goes to the listener."""
        self._listener = listener
        queued = list(self._queue)
        self._queue.clear()
        is_taking = all(listener.deliver(lines) for lines in queued)
        if self._ended:
            listener.over(self.error)
        elif not is_taking:
            self.group.drop(self)
        elif self in self.group.members:
            self.group.members[self] = listener.deliver

    def end(self, error: StatusError | None = None) -> None:
        """Safe to call twice."""
        if not self._ended:
            self._ended = True
            self.error = error
            if self._listener is not None:
                self._listener.over(error)


class Group:
    """Watchers who want the same. members share lines; newcomers are told one by one until they can."""

    __slots__ = ("key", "accepts", "render", "trigger", "members", "newcomers", "_pending", "_revision")

    def __init__(self, key: Hashable, accepts: Accepts | None, render: Render, trigger: Trigger | None) -> None:
        self.key = key
        self.accepts = accepts
        self.render = render
        self.trigger = trigger
        self.members: dict[Subscriber, Callable[[Lines], bool]] = {}
        self.newcomers: dict[Subscriber, None] = {}
        self._pending: list[bytes] = []
        self._revision = 0

    @property
    def is_empty(self) -> bool:
        return not self.members and not self.newcomers

    def watchers(self) -> list[Subscriber]:
        return [*self.members, *self.newcomers]

    def publish(self, change: Change, lines: dict[Hashable, bytes]) -> bool:
        """Whether its watchers hear of the change: at the next flush. lines: of this change, built already for others."""
        heard = change.heard(self.accepts)
        if heard is None:
            return False
        type, stored = heard
        key = (type, self.render.key, stored is change.now)
        line = lines.get(key)
        if line is None:
            line = lines[key] = self.render(type, stored, False)
        self._pending.append(line)
        self._revision = change.revision
        if self.newcomers:
            self._tell_newcomers(change, type, stored, line)
        return True

    def _tell_newcomers(self, change: Change, type: str, stored: Stored, line: bytes) -> None:
        for subscriber in list(self.newcomers):
            if change.revision > subscriber.after:
                if subscriber.is_first:
                    subscriber.is_first = False
                    line_of_its_own = self.render(type, stored, True)
                else:
                    line_of_its_own = line
                if not subscriber.push(Lines(change.revision, line_of_its_own, 1)):
                    self.drop(subscriber)

    def flush(self) -> int:
        """Hands out what was published since the last time; -> how many lines, over all members."""
        pending = self._pending
        if not pending:
            return 0
        lines = Lines(self._revision, pending[0] if len(pending) == 1 else b"".join(pending), len(pending))
        pending.clear()
        slow = [subscriber for subscriber, deliver in self.members.items() if not deliver(lines)]
        for subscriber in slow:
            self.drop(subscriber)
        for subscriber in [each for each in self.newcomers if not each.is_first and each.after <= lines.revision]:
            self.join(subscriber)
        return lines.count * len(self.members)

    def join(self, subscriber: Subscriber) -> None:
        """It is as far as everybody else."""
        self.newcomers.pop(subscriber, None)
        listener = subscriber._listener
        self.members[subscriber] = subscriber.push if listener is None else listener.deliver

    def drop(self, subscriber: Subscriber) -> None:
        """It cannot keep up, and is over."""
        self.remove(subscriber)
        subscriber.end()

    def remove(self, subscriber: Subscriber) -> None:
        self.members.pop(subscriber, None)
        self.newcomers.pop(subscriber, None)
