"""The body of a watch: what is there (if asked for), then what happens, bookmarks in between, until the time is over.

    resourceVersion "" or "0"       ADDED for every object, then live
    resourceVersion N               what happens after N
    sendInitialEvents=true          ADDED for every object, a BOOKMARK that says so, then live

What is there is read at one revision (from the store, or from the watch cache for a client that takes "0" or N), and the watch
goes on from that revision, so nothing is missed or doubled. A revision that is not there yet is waited for, as in kube-apiserver.
An error after the headers are out is an ERROR event (kubernetes.md 1.5).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random

from apiserver.errors import StatusError, bad_request
from apiserver.http.messages import JSON, Response
from apiserver.http.query import Selection, parse_revision
from apiserver.http.shaping import bookmark_line, render_of
from apiserver.kinds import Resource
from apiserver.meta import encode
from apiserver.registry import Registry
from apiserver.storage import ADDED, Page, Stored, Subscriber, WatchCache

MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1800, 86_400
BOOKMARK_S = 60.0
INITIAL_LINES = 100
"""Initial events that are sent as one piece."""
_dice = Random()


def _timeout_s(query: Mapping[str, str]) -> float:
    """Seconds the watch may last: what the client says; half an hour or more, so that not all of them come back at once."""
    text = query.get("timeoutSeconds", "")
    if not text:
        return MIN_TIMEOUT_S * (1 + _dice.random())
    try:
        asked = int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if asked == 0:
        return MIN_TIMEOUT_S * (1 + _dice.random())
    return float(min(max(asked, 0), MAX_TIMEOUT_S))


async def _initial_page(registry: Registry, resource: Resource, selection: Selection, query: Mapping[str, str]) -> Page:
    """What is there now; or at least as new as the client says, where it says."""
    namespace = selection.key[0]
    if query.get("resourceVersion"):
        return await registry.list_not_older(resource, namespace, parse_revision(query), selection.accepts)
    return await registry.list(resource, namespace, accepts=selection.accepts)


async def open_watch(
    registry: Registry, resource: Resource, selection: Selection, query: Mapping[str, str], form: str
) -> Response:
    """Raises what can be refused before the headers; a revision that is gone is refused in the stream."""
    cache = await registry.cache(resource)
    revision = parse_revision(query)
    timeout_s = _timeout_s(query)
    bookmarks = query.get("allowWatchBookmarks") == "true"
    wants_initial = query.get("sendInitialEvents") == "true"
    initial: list[Stored] = []
    if wants_initial or (revision == 0 and query.get("sendInitialEvents") != "false"):
        page = await _initial_page(registry, resource.stored, selection, query)
        initial, revision = page.items, page.revision
    elif revision == 0:
        revision = await registry.store(resource).revision()
    render = render_of(resource, form, query.get("includeObject", ""), registry.clock)
    headers = {"Content-Type": JSON}
    try:
        subscriber = cache.subscribe(
            revision, (selection.key, resource.plural), selection.accepts, render, is_first=not initial
        )
    except StatusError as error:
        return Response(200, headers, stream=_refused(error))

    async def lines() -> AsyncIterator[bytes]:
        try:
            for begin in range(0, len(initial), INITIAL_LINES):
                some = initial[begin : begin + INITIAL_LINES]
                yield b"".join([render(ADDED, stored, not begin and not at) for at, stored in enumerate(some)])
            if wants_initial and bookmarks:
                yield bookmark_line(resource, revision, form, ends_initial_events=True)
            async for chunk in _live(cache, subscriber, resource, form, revision, bookmarks, timeout_s):
                yield chunk
        finally:
            cache.unsubscribe(subscriber)

    async def close() -> None:
        cache.unsubscribe(subscriber)

    return Response(200, headers, stream=lines(), close=close)


async def _refused(error: StatusError) -> AsyncIterator[bytes]:
    yield _error_line(error)


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
            queued = subscriber.take()  # lines may have come in the turn in which the time ran out
            if queued:
                revision = queued[-1][0]
                yield b"".join([line for _, line in queued])
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
