"""Keeps a sink true to what a server holds: all that is there once, then a watch, resumed for as long as the server can.

            ┌───────────────────────────────── 410 Expired, Gone ─────────────────────────────┐
            ▼                                                                                 │
    LISTING ──ok──► sink.replace ──► WATCHING(from RV) ──event──► sink.apply, RV := event's ──┤
       │ ▲                               │ ▲                                                  │
     error                          end, error                                                │
       ▼ │                               ▼ │                                                  │
     BACKOFF                          BACKOFF (none after a watch that lasted) ───────────────┘

LISTING is one watch that sends what is there first (sendInitialEvents) and is then watched on; a server that refuses it is
listed in pages instead, from then on. Nothing is told to the sink before the whole of it is there.
Bookmarks move RV without an event, so that a quiet watch can be resumed after a compaction of others' history. A watch
that ends by itself is resumed at RV without a list; nothing is lost or seen twice.

Not here: caches, indices, handlers (informer.py). Driven by: whoever awaits `run`; it ends only by cancellation.
Source of the rules: client-go tools/cache/reflector.go (back-off 0.8 s · 2ⁿ up to 30 s, a very short watch is an error).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from random import Random
from typing import Protocol

from apiserver.client.client import INITIAL_EVENTS_END, Client, Named, Object, Objects, WatchEvent, WatchStream
from apiserver.client.resources import key_of, resource_name
from apiserver.client.timing import TimerClock
from apiserver.client.transport import ServerUnreachableError
from apiserver.errors import StatusError

log = logging.getLogger(__name__)

INITIAL_BACKOFF_S = 0.8
MAX_BACKOFF_S = 30.0
RESET_AFTER_S = 120.0
SHORT_WATCH_S = 1.0
WATCH_TIMEOUT_S = 300
"""Asked of the server is between this and twice this, so that many watches do not end together."""


class Sink(Protocol):
    """What a reflector feeds. Neither method may raise or wait."""

    def replace(self, items: Objects, resource_version: str) -> None:
        """These are all the objects there are."""
        ...

    def apply(self, event_type: str, obj: Object) -> None:
        """One change, ADDED, MODIFIED or DELETED."""
        ...


class Backoff:
    """0.8 s, doubled each time up to 30 s, with up to as much again of jitter; starts anew after two quiet minutes."""

    def __init__(self, clock: TimerClock, seed: int = 0) -> None:
        self._clock = clock
        self._dice = Random(seed)
        self._delay_s = INITIAL_BACKOFF_S
        self._last_s = -RESET_AFTER_S

    async def wait(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._last_s >= RESET_AFTER_S:
            self._delay_s = INITIAL_BACKOFF_S
        self._last_s = now_s
        delay_s = self._delay_s * (1.0 + self._dice.random())
        self._delay_s = min(self._delay_s * 2.0, MAX_BACKOFF_S)
        await self._clock.sleep(delay_s)


class Reflector:
    """One resource, one namespace or all, one pair of selectors. `resource_version` is what the sink has seen."""

    def __init__(
        self,
        client: Client,
        resource: Named,
        sink: Sink,
        clock: TimerClock,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        seed: int = 0,
    ) -> None:
        self._client = client
        self._metadata_only = metadata_only
        self._streams_lists = True
        self._resource = resource_name(resource)
        self._sink = sink
        self._clock = clock
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._backoff = Backoff(clock, seed)
        self._dice = Random(seed)
        self.resource_version = ""

    async def run(self) -> None:
        """Lists and watches until cancelled."""
        while True:
            try:
                if self._streams_lists:
                    await self._list_by_watch()
                else:
                    await self._list()
                await self._watch_on()
            except StatusError as error:
                if error.code in (404, 410):
                    # 404: the resource itself is gone (a CRD deleted), or not there yet.
                    log.info("%s: %s: listing again", self._resource, error.message)
                else:
                    log.warning("%s: %s", self._resource, error.message)
            except ServerUnreachableError as error:
                log.warning("%s: %s", self._resource, error)
            except Exception:
                # Something malformed came over the wire: a fresh list may be whole again, a dead watch never is.
                log.exception("%s: listing again", self._resource)
            await self._backoff.wait()

    async def _list_by_watch(self) -> None:
        """What is there as the first events of a watch, which then goes on. Falls back to a list for good if refused."""
        opened_s = self._clock.monotonic_s()
        try:
            stream = await self._open("", initial_events=True)
        except StatusError as error:
            # 422: the server knows the parameter and refuses it; 400: some proxies and old servers.
            if error.code not in (400, 422):
                raise
            log.info("%s: the server does not stream lists (%s); listing instead", self._resource, error.message)
            self._streams_lists = False
            await self._list()
            return
        try:
            events = aiter(stream)
            await self._read_initial(events)
            count = await self._consume(events)
        finally:
            await stream.close()
        if count == 0 and self._clock.monotonic_s() - opened_s < SHORT_WATCH_S:
            await self._backoff.wait()

    async def _read_initial(self, events: AsyncIterator[WatchEvent]) -> None:
        items: dict[str, Object] = {}
        async for event_type, obj in events:
            metadata = obj["metadata"]
            if event_type == "BOOKMARK":
                if INITIAL_EVENTS_END in (metadata.get("annotations") or {}):
                    self.resource_version = metadata["resourceVersion"]
                    self._sink.replace(list(items.values()), self.resource_version)
                    return
            elif event_type == "DELETED":
                items.pop(key_of(obj), None)
            else:
                items[key_of(obj)] = obj
        raise ServerUnreachableError("the watch ended before all that is there was sent")

    async def _list(self) -> None:
        items, version = await self._client.list_all(
            self._resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            metadata_only=self._metadata_only,
        )
        self.resource_version = version
        self._sink.replace(items, version)

    async def _open(self, resource_version: str, *, initial_events: bool = False) -> WatchStream:
        return await self._client.watch(
            self._resource,
            self._namespace,
            resource_version=resource_version,
            timeout_s=int(WATCH_TIMEOUT_S * (1.0 + self._dice.random())),
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            metadata_only=self._metadata_only,
            initial_events=initial_events,
        )

    async def _watch_on(self) -> None:
        """Watches, again and again, until the server says that the past is gone (410) or that there is no such thing."""
        while True:
            opened_s = self._clock.monotonic_s()
            events = 0
            try:
                stream = await self._open(self.resource_version)
                try:
                    events = await self._consume(aiter(stream))
                finally:
                    await stream.close()
            except StatusError as error:
                # 404: the resource itself is gone (a CRD deleted): only a list can tell when it is back.
                if error.code in (404, 410):
                    raise
                log.warning("%s: watch: %s", self._resource, error.message)
                await self._backoff.wait()
                continue
            except ServerUnreachableError as error:
                log.info("%s: watch: %s", self._resource, error)
                await self._backoff.wait()
                continue
            if events == 0 and self._clock.monotonic_s() - opened_s < SHORT_WATCH_S:
                await self._backoff.wait()

    async def _consume(self, events: AsyncIterator[WatchEvent]) -> int:
        """Hands events to the sink until the stream ends; answers how many there were, bookmarks included."""
        count = 0
        async for event_type, obj in events:
            count += 1
            if event_type != "BOOKMARK":
                self._sink.apply(event_type, obj)
            self.resource_version = obj["metadata"].get("resourceVersion") or self.resource_version
        return count
