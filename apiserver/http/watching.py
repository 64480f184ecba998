"""The body of a watch: what is there (if asked for), then what happens, bookmarks in between, until the time is over.

    resourceVersion "" or "0"       ADDED for every object, then live
    resourceVersion N               what happens after N
    sendInitialEvents=true          ADDED for every object, a BOOKMARK that says so, then live

What is there is read at one revision (storage/reads.py), and the watch goes on from that one: nothing is missed or doubled.
With sendInitialEvents a revision that is not there yet is waited for, as in kube-apiserver; live, nothing is there to wait for.
An error after the headers are out is an ERROR event (kubernetes.md 1.5).

    initial pieces, each when the reader has taken the last ──▶ attach ──▶ live: lines are pushed ──▶ over

A connection attaches itself as an outlet and is handed bytes that all watchers of its group share; who iterates instead (a caller
in the same process) gets a bounded queue as its outlet. No watch has a task of its own while nothing happens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from random import Random

from apiserver.errors import StatusError, bad_request
from apiserver.http import media
from apiserver.http.messages import Outlet, Response
from apiserver.http.query import Selection, parse_bool, parse_revision
from apiserver.http.shaping import bookmark_line, event_line, render_of
from apiserver.kinds import Resource
from apiserver.registry import Registry
from apiserver.storage import (
    ADDED,
    Lines,
    Page,
    Render,
    Subscriber,
    Wanted,
    WatchCache,
    read_page,
)

MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1800, 86_400
BOOKMARK_S = 60.0
LAST_BOOKMARK_S = 2.0
"""So long before its end a watch says once more how far it is."""
MAX_SHARED_ITEMS = 20_000
INITIAL_LINES = 100
"""Initial events that are sent as one piece."""
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""What a caller in the same process may be behind."""
_dice = Random()


class Watch:
    """See the module. `initial` first, then `attach`; or `async for`, which does both. `close` at the end, whoever ends it."""

    def __init__(
        self,
        cache: WatchCache,
        resource: Resource,
        selection: Selection,
        asked: media.Wanted,
        render: Render,
        *,
        revision: int,
        page: Page | None,
        awaits: int,
        ends_initial: bool,
        wants_bookmarks: bool,
        timeout_s: float,
    ) -> None:
        self._cache = cache
        self._resource = resource
        self._selection = selection
        self._asked = asked
        self._render = render
        self._revision = revision
        self._page = page
        self._awaits = awaits
        self._ends_initial = ends_initial
        self._wants_bookmarks = wants_bookmarks
        self._ends_s = asyncio.get_running_loop().time() + timeout_s
        self._subscriber: Subscriber | None = None
        self._outlet: Outlet | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self.deliver: Callable[[Lines], bool] = _refuse
        if not awaits:
            self._subscribe()

    def _subscribe(self) -> None:
        """Raises Expired."""
        if self._page is not None:
            self._revision = self._page.revision
        self._subscriber = self._cache.subscribe(
            self._revision,
            (self._selection.key, self._resource.stored.plural),
            self._selection.accepts,
            self._render,
            is_first=not (self._page is not None and self._page.items) and self._asked.form != media.OBJECT,
            trigger=self._selection.trigger,
        )

    async def initial(self) -> AsyncIterator[bytes]:
        """What is there, in pieces; an ERROR event where the watch cannot begin, and then nothing follows."""
        try:
            if self._awaits:
                loop = asyncio.get_running_loop()
                if not await self._cache.feed.reach(self._awaits, max(self._ends_s - loop.time(), 0)):
                    return
                self._page = await read_page(self._cache, self._selection.key[0], self._selection.accepts, Wanted(0))
                self._subscribe()
        except StatusError as error:
            self._is_over = True
            yield error_line(error, self._asked)
            return
        page, self._page = self._page, None
        if page is not None:
            for piece in self._pieces(page):
                yield piece
        if self._ends_initial:
            yield bookmark_line(self._resource, self._revision, self._asked, ends_initial_events=True)

    def _pieces(self, page: Page) -> Iterator[bytes]:
        """Initial events, made once for all who begin at the same state: after a restart every informer does."""
        items, render, shared = page.items, self._render, page.shared
        for begin in range(0, len(items), INITIAL_LINES):
            key = (render.key, begin)
            piece = None if shared is None else shared.get(key)
            if piece is None:
                some = items[begin : begin + INITIAL_LINES]
                piece = b"".join([render(ADDED, stored, not begin and not at) for at, stored in enumerate(some)])
                if shared is not None and len(items) <= MAX_SHARED_ITEMS:
                    shared[key] = piece
            yield piece

    def attach(self, outlet: Outlet) -> None:
        """Live from now on: the outlet gets what was queued meanwhile, and everything that comes."""
        if self._subscriber is None or self._is_over:
            outlet.finish()
            return
        self._outlet = outlet
        self.deliver = outlet.deliver  # hot: from the group to the socket without a stop here
        self._set_timer()
        self._subscriber.attach(self)

    # ---- the subscriber's Listener ----

    def over(self, error: StatusError | None) -> None:
        outlet = self._outlet
        if outlet is None or self._is_over:
            return
        self._end()
        if error is not None:
            outlet.deliver(Lines(0, error_line(error, self._asked), 1))
            outlet.finish()
        elif self._cache.is_listed:
            outlet.abort()
        else:
            outlet.finish()

    # ---- time ----

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        next_s = self._ends_s
        if self._wants_bookmarks:
            last_s = self._ends_s - LAST_BOOKMARK_S
            next_s = min(now_s + BOOKMARK_S, last_s) if last_s > now_s else self._ends_s
        self._timer = loop.call_at(next_s, self._tick)

    def _tick(self) -> None:
        outlet = self._outlet
        if outlet is None or self._is_over:
            return
        if asyncio.get_running_loop().time() >= self._ends_s - 0.001:
            self.close()
            outlet.finish()
            return
        assert self._subscriber is not None
        self._subscriber.group.flush()
        revision = max(self._revision, self._cache.revision)
        line = bookmark_line(self._resource, revision, self._asked, ends_initial_events=False)
        if not outlet.deliver(Lines(revision, line, 1)):
            self.close()
            outlet.abort()
            return
        self._set_timer()

    def _end(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Nothing is delivered any more. Safe to call twice."""
        self._end()
        if self._subscriber is not None:
            self._cache.unsubscribe(self._subscriber)

    # ---- for callers in the same process ----

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self.initial():
                yield piece
            queue = _Queue()
            self.attach(queue)
            while True:
                pieces = await queue.get()
                if not pieces:
                    return
                yield b"".join(pieces)
        finally:
            self.close()


def _refuse(lines: Lines) -> bool:
    """Nobody has attached itself yet."""
    return False


class _Queue:
    """An Outlet for one who iterates."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._is_over = False
        self._waiter: asyncio.Future[None] | None = None

    def deliver(self, lines: Lines) -> bool:
        self._bytes += len(lines.data)
        if self._bytes > MAX_WAITING_BYTES:
            return False
        self._pieces.append(lines.data)
        self._wake()
        return True

    def finish(self) -> None:
        self._is_over = True
        self._wake()

    abort = finish

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> list[bytes]:
        """Everything there is, at least one piece; an empty list at the end."""
        while not self._pieces:
            if self._is_over:
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        pieces = list(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        return pieces


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


async def open_watch(
    registry: Registry, resource: Resource, selection: Selection, query: Mapping[str, str], asked: media.Wanted
) -> Response:
    """Raises what can be refused before the headers; a revision that is gone is refused in the stream."""
    cache = await registry.cache(resource)
    revision = parse_revision(query)
    timeout_s = _timeout_s(query)
    wants_bookmarks = parse_bool(query, "allowWatchBookmarks")
    wants_initial = parse_bool(query, "sendInitialEvents")
    awaits, page = 0, None
    if wants_initial and revision > cache.revision:
        awaits = revision
    elif wants_initial or (revision == 0 and not query.get("sendInitialEvents")):
        wanted = Wanted(revision if query.get("resourceVersion") else None)
        page = await read_page(cache, selection.key[0], selection.accepts, wanted)
    elif revision == 0:
        revision = cache.revision if query.get("resourceVersion") else await cache.feed.newest()
    render = render_of(resource, asked, query.get("includeObject", ""), registry.clock)
    headers = {"Content-Type": media.content_type(asked, is_watch=True)}
    try:
        watch = Watch(
            cache, resource, selection, asked, render, revision=revision, page=page, awaits=awaits,
            ends_initial=wants_initial and wants_bookmarks, wants_bookmarks=wants_bookmarks, timeout_s=timeout_s,
        )  # fmt: skip
    except StatusError as error:
        return Response(200, headers, error_line(error, asked))
    return Response(200, headers, stream=watch)


def error_line(error: StatusError, asked: media.Wanted) -> bytes:
    return event_line("ERROR", error.to_status(), asked.media)
