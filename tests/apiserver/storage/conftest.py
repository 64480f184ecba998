"""An embedded store behind a client that tests can make misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.storage import Feed, Lines, Subscriber
from kvcluster import Cluster
from kvcluster.client import Watcher
from kvcluster.errors import CompactedError


class LosableWatcher:
    """A KV watch that can be lost to compaction on request."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lost = asyncio.get_running_loop().create_future()

    def __aiter__(self) -> LosableWatcher:
        return self

    async def __anext__(self) -> Any:
        following = asyncio.ensure_future(self._watcher.__anext__())
        try:
            await asyncio.wait({following, self._lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not following.done():
                following.cancel()
        if self._lost.done():
            raise CompactedError(compact_revision=1)
        return await following

    def lose(self) -> None:
        if not self._lost.done():
            self._lost.set_result(None)

    async def request_progress(self) -> None:
        await self._watcher.request_progress()

    async def close(self) -> None:
        await self._watcher.close()


class FaultyKv:
    """A kvcluster client; `before` runs ahead of each call of a method, once, and may write, wait or raise."""

    def __init__(self, kv: Any) -> None:
        self._kv = kv
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.watchers: list[LosableWatcher] = []

    find_revision = None  # no looks: every question is a call that can be counted and held up

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._kv, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            interference = self.before.pop(name, None)
            if interference is not None:
                await interference()
            answer = await method(*arguments, **named)
            if name == "watch":
                answer = LosableWatcher(answer)
                self.watchers.append(answer)
            return answer

        return call


class Ears:
    """A watcher that writes down what it hears. room: lines it takes before it is too slow."""

    def __init__(self, subscriber: Subscriber, room: int = 1_000_000, attached: bool = True) -> None:
        self.subscriber = subscriber
        self.lines: list[bytes] = []
        self.pieces: list[Lines] = []
        self.is_over = False
        self.error: StatusError | None = None
        self._room = room
        self._heard = asyncio.Event()
        if attached:
            subscriber.attach(self)

    def deliver(self, lines: Lines) -> bool:
        if len(self.lines) + lines.count > self._room:
            return False
        assert lines.data.count(b"\n") == lines.count
        self.pieces.append(lines)
        self.lines += lines.data.splitlines()
        self._heard.set()
        return True

    def over(self, error: StatusError | None) -> None:
        assert not self.is_over
        self.is_over = True
        self.error = error
        self._heard.set()

    async def next(self, count: int) -> list[bytes]:
        """The next `count` lines, which are taken off; fails where the watch ends before."""
        async with asyncio.timeout(10):
            while len(self.lines) < count:
                assert not self.is_over, f"the watch ended after {self.lines}: {self.error}"
                self._heard.clear()
                await self._heard.wait()
        taken, self.lines = self.lines[:count], self.lines[count:]
        return taken

    async def end(self) -> None:
        async with asyncio.timeout(10):
            while not self.is_over:
                self._heard.clear()
                await self._heard.wait()


@pytest.fixture
async def feed(kv) -> AsyncIterator[Feed]:
    feed = Feed(kv)
    yield feed
    await feed.stop()


@pytest.fixture
async def kv() -> AsyncIterator[FaultyKv]:
    async with Cluster(members=1) as store:
        yield FaultyKv(store.client())
