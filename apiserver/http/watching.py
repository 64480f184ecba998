"""The body of a watch: what is there (if asked for), then what happens, bookmarks in between, until the time is over.

    resourceVersion "" or "0"       ADDED for every object, then live
    resourceVersion N               what happens after N
    sendInitialEvents=true          ADDED for every object, a BOOKMARK that says so, then live

What is there is read from the store at one revision, and the watch goes on from that revision, so nothing is missed or doubled.
An error after the headers are out is an ERROR event (kubernetes.md 1.5).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random

from apiserver.errors import StatusError, too_large_resource_version
from apiserver.http.messages import JSON, Response
from apiserver.http.query import Selection, parse_revision
from apiserver.http.shaping import bookmark_line, render_of
from apiserver.kinds import Resource
from apiserver.meta import encode
from apiserver.registry import Registry
from apiserver.storage import ADDED, Stored, Subscriber, WatchCache

MIN_TIMEOUT_S = 1800
BOOKMARK_S = 60.0
_dice = Random()


def _timeout_s(query: Mapping[str, str]) -> float:
    text = query.get("timeoutSeconds", "")
    if text.isdecimal() and int(text):
        return float(text)
    return MIN_TIMEOUT_S * (1 + _dice.random())


async def open_watch(
    registry: Registry, resource: Resource, selection: Selection, query: Mapping[str, str], form: str
) -> Response:
    """Raises what can be refused before the headers: a future resourceVersion."""
    cache = await registry.cache(resource)
    revision = parse_revision(query)
    wants_initial = query.get("sendInitialEvents") == "true"
    starts_with_state = wants_initial or (revision == 0 and query.get("sendInitialEvents") != "false")
    initial: list[Stored] = []
    refusal: StatusError | None = None
    namespace = selection.key[0]
    if starts_with_state or revision == 0:
        page = await registry.list(resource, namespace, accepts=selection.accepts)
        if revision > page.revision:
            raise too_large_resource_version(revision, page.revision)
        revision = page.revision
        initial = page.items if starts_with_state else []
    elif revision > cache.revision:
        current = await registry.store(resource).revision()
        if revision > current:
            raise too_large_resource_version(revision, current)
    render = render_of(resource, form, query.get("includeObject", ""), registry.clock)
    subscriber: Subscriber | None = None
    try:
        subscriber = cache.subscribe(
            revision, (selection.key, resource.plural), selection.accepts, render, is_first=not initial
        )
    except StatusError as error:
        refusal = error
    bookmarks = query.get("allowWatchBookmarks") == "true"

    async def lines() -> AsyncIterator[bytes]:
        try:
            if subscriber is None:
                assert refusal is not None
                yield _error_line(refusal)
                return
            first = True
            for stored in initial:
                yield render(ADDED, stored, first)
                first = False
            if wants_initial and bookmarks:
                yield bookmark_line(resource, revision, form, ends_initial_events=True)
            async for chunk in _live(cache, subscriber, resource, form, revision, bookmarks, _timeout_s(query)):
                yield chunk
        finally:
            if subscriber is not None:
                cache.unsubscribe(subscriber)

    async def close() -> None:
        if subscriber is not None:
            subscriber.end()

    return Response(200, {"Content-Type": JSON}, stream=lines(), close=close)


async def _live(
    cache: WatchCache,
    subscriber: Subscriber,
    resource: Resource,
    form: str,
    revision: int,
    bookmarks: bool,
    timeout_s: float,
) -> AsyncIterator[bytes]:
    """Lines as they come; several that wait are sent as one piece."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + timeout_s
    next_bookmark = loop.time() + BOOKMARK_S
    while True:
        now = loop.time()
        until = min(ends, next_bookmark) if bookmarks else ends
        try:
            async with asyncio.timeout(max(until - now, 0)):
                queued = await subscriber.wait()
        except TimeoutError:
            if bookmarks:
                revision = max(revision, cache.revision)
                yield bookmark_line(resource, revision, form, ends_initial_events=False)
                next_bookmark = loop.time() + BOOKMARK_S
            if loop.time() >= ends:
                return
            continue
        if not queued:
            if subscriber.error is not None:
                yield _error_line(subscriber.error)
            return
        revision = queued[-1][0]
        yield b"".join([line for _, line in queued])


def _error_line(error: StatusError) -> bytes:
    return encode({"type": "ERROR", "object": error.to_status()}) + b"\n"
