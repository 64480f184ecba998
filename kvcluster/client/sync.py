"""The client for programs without an event loop: the same methods, blocking, over one loop in a thread of its own.

    from kvcluster.client.sync import connect

    with connect("http://127.0.0.1:2379") as client:
        client.put(b"k", b"v")
        with client.watch(b"k") as watcher:
            for batch in watcher: ...

May be used from several threads. What the asynchronous methods raise is raised here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from kvcluster.client.interface import WatchBatch
from kvcluster.client.remote import RemoteClient
from kvcluster.client.remote import connect as connect_async


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kvcluster client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def connect(endpoints: str | Sequence[str], **options: Any) -> SyncClient:
    """As kvcluster.client.connect, blocking. Raises what it raises."""
    loop = _Loop()
    try:
        return SyncClient(loop, loop.run(connect_async(endpoints, **options)))
    except BaseException:
        loop.stop()
        raise


class SyncClient:
    """Every method of RemoteClient, blocking. Made by `connect`."""

    def __init__(self, loop: _Loop, client: RemoteClient) -> None:
        self._loop = loop
        self._client = client

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends watches and connections. Safe to call twice."""
        if self._loop._thread.is_alive():
            self._loop.run(self._client.close())
            self._loop.stop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if name.startswith("_") or not asyncio.iscoroutinefunction(method):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def call(*arguments: Any, **options: Any) -> Any:
            return self._loop.run(method(*arguments, **options))

        call.__name__, call.__doc__ = name, method.__doc__
        return call

    def __dir__(self) -> list[str]:
        names = (name for name in dir(self._client) if not name.startswith("_"))
        return [*(name for name in names if asyncio.iscoroutinefunction(getattr(self._client, name))), "watch"]

    def watch(self, key: bytes, range_end: bytes = b"", **options: Any) -> SyncWatcher:
        """Opens a watch; nothing after this call is missed."""
        return SyncWatcher(self._loop, self._loop.run(self._client.watch(key, range_end, **options)))


class SyncWatcher:
    """An open watch: iterate over its batches, or ask for the next with a timeout."""

    def __init__(self, loop: _Loop, watcher: Any) -> None:
        self._loop = loop
        self._watcher = watcher

    def __enter__(self) -> SyncWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[WatchBatch]:
        return self

    def __next__(self) -> WatchBatch:
        batch = self.next()
        if batch is None:
            raise StopIteration
        return batch

    def next(self, timeout_s: float | None = None) -> WatchBatch | None:
        """The next batch; None once the watch is closed. Raises TimeoutError, CompactedError."""

        async def ask() -> WatchBatch | None:
            try:
                batch: WatchBatch = await self._watcher.__anext__()
                return batch
            except StopAsyncIteration:
                return None

        found: WatchBatch | None = self._loop.run(ask(), timeout_s)
        return found

    def request_progress(self) -> None:
        self._loop.run(self._watcher.request_progress())

    def close(self) -> None:
        """Ends the iteration, in other threads too."""
        self._loop.run(self._watcher.close())
