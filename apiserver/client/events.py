"""Tells users what happened to an object, as core/v1 Events.

`EventRecorder.event` never waits and never fails: events are queued (at most MAX_QUEUED; then the newest is dropped and
a line is logged) and written by one background task that lives only while there is something to write. The same thing
said again about the same object is one Event whose `count` grows (a PATCH), for as long as it is among the last MAX_KNOWN.

Similar events are combined and too many of one object dropped (event_limits).
Source of the rules: client-go tools/record (event_recorder, events_cache).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from typing import Any

from apiserver.client.client import Client, Object
from apiserver.client.event_limits import Aggregator, SpamFilter
from apiserver.client.transport import ServerUnreachableError
from apiserver.errors import StatusError
from apiserver.meta import format_time
from kvcluster.clock import Clock, SystemClock

log = logging.getLogger(__name__)

MAX_QUEUED = 1000
MAX_MESSAGE = 1024
MAX_KNOWN = 4096


class EventRecorder:
    """component: who is speaking, as in `kubectl describe`'s From column."""

    def __init__(self, client: Client, *, component: str, clock: Clock | None = None) -> None:
        self._client = client
        self._component = component
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._queue: deque[tuple[str, Object]] = deque()
        self._aggregator = Aggregator()
        self._spam = SpamFilter()
        self._known: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()
        self._writer: asyncio.Task[None] | None = None
        self._sequence = 0
        self._dropping = False

    def event(self, obj: Object, type: str, reason: str, message: str, *, action: str = "") -> None:
        """Queues one event about `obj`. type: "Normal" or "Warning"; reason: CamelCase, for machines."""
        if len(self._queue) >= MAX_QUEUED:
            if not self._dropping:
                log.warning("%s: %d events are waiting to be written; dropping new ones", self._component, MAX_QUEUED)
            self._dropping = True
            return
        self._dropping = False
        metadata, now_s = obj["metadata"], self._clock.monotonic_s()
        about = (obj.get("kind", ""), metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))
        known_by, message = self._aggregator.combine((*about, type, reason), message[:MAX_MESSAGE], now_s)
        if not self._spam.try_take(about, now_s):
            return
        self._queue.append((known_by, self._build(obj, type, reason, message, action)))
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write(), name=f"events of {self._component}")

    async def flushed(self) -> None:
        """Returns when everything queued so far has been written or given up."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def close(self) -> None:
        """Drops what is not yet written."""
        self._queue.clear()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    def _build(self, obj: Object, type: str, reason: str, message: str, action: str) -> Object:
        metadata = obj["metadata"]
        namespace = metadata.get("namespace") or "default"
        now = format_time(self._clock.now_s())
        self._sequence += 1
        # Unique as client-go's: the object's name and a hexadecimal time; the sequence stands in for its nanoseconds.
        suffix = f"{int(self._clock.now_s() * 1e6) * 1000 + self._sequence % 1000:x}"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:220]}.{suffix}", "namespace": namespace},
            "involvedObject": reference_to(obj),
            "reason": reason,
            "message": message[:MAX_MESSAGE],
            "type": type,
            "action": action,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    async def _write(self) -> None:
        try:
            while self._queue:
                known_by, event = self._queue.popleft()
                try:
                    await self._write_one(known_by, event)
                except (StatusError, ServerUnreachableError) as error:
                    # A namespace that is being deleted takes no events; nobody will miss them.
                    log.debug("event %s %s: %s", event["reason"], event["message"], error)
                except Exception:
                    log.exception("event %s %s", event["reason"], event["message"])
        finally:
            self._writer = None

    async def _write_one(self, known_by: str, event: Object) -> None:
        about = event["involvedObject"]
        namespace = event["metadata"]["namespace"]
        key = (namespace, about["kind"], about["name"], about["uid"], event["type"], event["reason"], known_by)
        known = self._known.get(key)
        if known is not None:
            name, count = known
            patch: dict[str, Any] = {
                "count": count + 1,
                "lastTimestamp": event["lastTimestamp"],
                "message": event["message"],
            }
            try:
                await self._client.patch("events", name, patch, namespace, patch_type="strategic")
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
            else:
                self._remember(key, name, count + 1)
                return
        await self._client.create("events", event)
        self._remember(key, event["metadata"]["name"], 1)

    def _remember(self, key: tuple[str, ...], name: str, count: int) -> None:
        self._known[key] = (name, count)
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


def reference_to(obj: Object) -> Object:
    """The ObjectReference of an object."""
    metadata = obj["metadata"]
    reference = {
        "apiVersion": obj.get("apiVersion", ""),
        "kind": obj.get("kind", ""),
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {name: value for name, value in reference.items() if value or name in ("kind", "name", "uid")}
