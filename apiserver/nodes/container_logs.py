"""What simulated containers have said: a line when they start, and the lines that an annotation of the pod gives.

    nodes.kvcluster/logs: "one\ntwo"         said by every container of the pod
    nodes.kvcluster/logs.NAME: "three"       said by one of them, after those

Lines have the time of the container's start, or, where the annotation grows later, of the moment in which that was seen;
so a test that follows a log appends to the annotation and sees the line come.

A log is made when somebody first asks for it, from the pod as it is, and kept true from then on; pods that nobody asks about
cost nothing. At most MAX_LOGS logs of at most MAX_LINES lines are kept; what is dropped is made anew when it is asked for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from apiserver.client import Object
from apiserver.meta import format_micro_time, parse_time

LOGS = "nodes.kvcluster/logs"
MAX_LINES = 10_000
MAX_LOGS = 1_000


class LogRefusedError(Exception):
    """The log cannot be read; status and text are the kubelet's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Line(NamedTuple):
    time_s: float
    text: str

    def encode(self, timestamps: bool) -> bytes:
        stamp = f"{format_micro_time(self.time_s).replace('Z', '000Z')} " if timestamps else ""
        return f"{stamp}{self.text}\n".encode()


class LogQuery(NamedTuple):
    """As PodLogOptions. since_s: lines before this time are left out. tail: so many of the last lines; -1 = all."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since_s: float = 0.0
    tail: int = -1
    limit_bytes: int = -1


class _Log:
    """One container of one pod, over its restarts."""

    __slots__ = ("changed", "ended", "lines", "previous", "said", "started", "total")

    def __init__(self) -> None:
        self.started = ""
        self.said = ""
        self.ended = False
        self.total = 0
        self.lines: deque[Line] = deque(maxlen=MAX_LINES)
        self.previous: deque[Line] | None = None
        self.changed = asyncio.Event()

    def append(self, line: Line) -> None:
        self.lines.append(line)
        self.total += 1

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class ContainerLogs:
    """Of all pods of a fleet. `now_s` is the clock's."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._logs: OrderedDict[tuple[str, str], _Log] = OrderedDict()

    def pod_changed(self, pod: Object) -> None:
        """Keeps the logs that somebody has asked for true."""
        uid = pod["metadata"]["uid"]
        for name in _container_names(pod):
            log = self._logs.get((uid, name))
            if log is not None:
                self._update(log, pod, name, self._now_s())

    def pod_gone(self, pod: Object) -> None:
        """Followers come to the end."""
        for name in _container_names(pod):
            log = self._logs.pop((pod["metadata"]["uid"], name), None)
            if log is not None:
                log.ended = True
                log.wake()

    def open(self, pod: Object, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        """The log as bytes, piece by piece. Raises LogRefusedError with the kubelet's texts, before the first piece."""
        name = pod["metadata"]["name"]
        status = _find_status(pod, container)
        if container not in _container_names(pod):
            raise LogRefusedError(404, f"container not found: {container}")
        waiting = ((status or {}).get("state") or {}).get("waiting")
        if status is None or (waiting is not None and not query.previous and not (status.get("lastState") or {})):
            reason = (waiting or {}).get("reason") or "ContainerCreating"
            text = f'container "{container}" in pod "{name}" is waiting to start: {reason}'
            raise LogRefusedError(400, text)
        log = self._find(pod, container)
        if query.previous:
            if log.previous is None and not ((status.get("lastState") or {}).get("terminated")):
                text = f'previous terminated container "{container}" in pod "{name}" not found'
                raise LogRefusedError(400, text)
            return _read(log, query._replace(follow=False), log.previous or deque())
        return _read(log, query, log.lines)

    def _find(self, pod: Object, container: str) -> _Log:
        key = (pod["metadata"]["uid"], container)
        log = self._logs.get(key)
        if log is None:
            log = self._logs[key] = _Log()
            self._update(log, pod, container, 0.0)
            while len(self._logs) > MAX_LOGS:
                _, oldest = self._logs.popitem(last=False)
                oldest.ended = True
                oldest.wake()
        self._logs.move_to_end(key)
        return log

    def _update(self, log: _Log, pod: Object, container: str, now_s: float) -> None:
        state = (_find_status(pod, container) or {}).get("state") or {}
        running, terminated = state.get("running"), state.get("terminated")
        started = (running or terminated or {}).get("startedAt") or ""
        if not started:
            return
        if started != log.started:
            if log.started:
                log.previous = log.lines
                log.lines, log.said, log.total = deque(maxlen=MAX_LINES), "", 0
            log.started = started
            log.append(Line(parse_time(started), f"{container} started"))
        said = _said(pod, container)
        if said != log.said:
            fresh = said.removeprefix(log.said) if said.startswith(log.said) else said
            for text in fresh.removeprefix("\n").split("\n"):
                log.append(Line(max(now_s, parse_time(started)), text))
            log.said = said
        log.ended = terminated is not None
        log.wake()


async def _read(log: _Log, query: LogQuery, lines: deque[Line]) -> AsyncIterator[bytes]:
    """What is there, then (following) what comes, until the container ends or so many bytes are sent."""
    chosen = [line for line in lines if line.time_s >= query.since_s]
    if query.tail >= 0:
        chosen = chosen[len(chosen) - query.tail :] if query.tail < len(chosen) else chosen
    left = query.limit_bytes if query.limit_bytes >= 0 else None
    seen, source = log.total, log.lines
    while True:
        piece = b"".join([line.encode(query.timestamps) for line in chosen])
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        if piece:
            yield piece
        if not query.follow or left == 0:
            return
        while log.total == seen and log.lines is source and not log.ended:
            await log.changed.wait()
        if log.lines is not source or log.total == seen:
            return  # it ended, or was restarted: a kubelet's follower ends with the container
        fresh = log.total - seen
        seen = log.total
        chosen = list(log.lines)[-fresh:]


def _container_names(pod: Object) -> list[str]:
    spec = pod.get("spec") or {}
    fields = ("containers", "initContainers", "ephemeralContainers")
    return [container["name"] for field in fields for container in spec.get(field) or ()]


def _find_status(pod: Object, container: str) -> Object | None:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for found in status.get(field) or ():
            if found.get("name") == container:
                result: Object = found
                return result
    return None


def _said(pod: Object, container: str) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    texts = (annotations.get(LOGS), annotations.get(f"{LOGS}.{container}"))
    return "\n".join(text.rstrip("\n") for text in texts if text)
