"""One KV watch of everything the API server stores, and every watch cache hears its part of it.

    stopped ──start──▶ opening ──▶ open ──compaction overtook it, or the store forgot──▶ opening …

All caches advance together, so one number says how far they are: every change up to `revision` has been handed out. That is
what consistent reads stand on (kubernetes.md 1.4): ask the store for its newest revision, which concurrent readers do together
with one question, then wait until the feed is there. Changes of keys outside the prefix raise the store's revision and are not
heard; the store is then asked for a progress notification. etcd before 3.4.31 and 3.5.13 answers that too early, so there the
feed says that it cannot know, and the reader asks the store itself.

The watch resumes by itself after a lost connection or a change of leader (kvcluster.client). It is lost only when compaction
overtakes it, or when the store comes back with less than it had (it lived in memory): then every sink is told, in the same
turn, that there is a gap.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Protocol

from apiserver.storage.settling import read_settled
from kvcluster.client import Client, Event, Watcher, prefix_end
from kvcluster.errors import CompactedError, KvClusterError

log = logging.getLogger(__name__)

PREFIX = b"/registry/"
RETRY_S = 0.5
ASK_PROGRESS_AFTER_S = 0.01
"""A change is normally heard sooner than that; only then the store is asked whether there is anything to hear."""
ASK_PROGRESS_EVERY_S = 0.1
YIELD_EVERY = 100
"""So often a read that could be answered without waiting lets others run."""
_PROBE = b"/registry/revision"


class Sink(Protocol):
    """Who hears a part of the feed. Nothing here may await or raise."""

    def take(self, event: Event) -> None: ...

    def flush(self) -> None:
        """The turn's changes are all taken."""
        ...

    def lose(self) -> None:
        """What happens between now and the next `generation` will not be heard."""
        ...


class Feed:
    """See the module. `generation` counts how often the watch was opened."""

    def __init__(self, kv: Client, prefix: bytes = PREFIX) -> None:
        self.kv = kv
        self.revision = 0
        self.generation = 0
        self._prefix = prefix
        self._sinks: dict[bytes, Sink] = {}
        self._opened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._asking: asyncio.Future[None] | None = None
        self._next_answer: asyncio.Task[int] | None = None
        self._look: Callable[[], int | None] | None = getattr(kv, "find_revision", None)  # of a store in this process
        self._looks = 0
        self._knows_progress = False
        self._progress_timer: asyncio.TimerHandle | None = None
        self._progress_task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    # ---- life ----

    async def start(self) -> None:
        """Returns once the watch is open; at once if it is. Waits for a store that is away."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="feed")
        await self._opened.wait()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    async def stop(self) -> None:
        """Safe to call twice."""
        tasks = [
            each for each in (self._task, self._next_answer, self._progress_task, self._closing) if each is not None
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._task = None
        self._opened.clear()
        self._stop_asking_progress()
        self._fail_waiting()

    def add(self, prefix: bytes, sink: Sink) -> None:
        """`sink` hears of the keys below `prefix` (with its slash at the end), from the next batch on."""
        self._sinks[prefix] = sink

    def remove(self, prefix: bytes, sink: Sink) -> None:
        if self._sinks.get(prefix) is sink:
            del self._sinks[prefix]

    # ---- the watch ----

    async def _run(self) -> None:
        while True:
            generation = self.generation
            try:
                await self._watch()
                log.warning("the store's watch ended; listing again")
            except CompactedError:
                log.warning("the watch fell behind compaction; listing again")
            except asyncio.CancelledError:
                raise
            except (KvClusterError, OSError, TimeoutError) as error:
                log.warning("watching the store: %s", error)
            except Exception:
                log.exception("watching the store")
            self._lose()
            if self.generation == generation:  # it could not even be opened
                await asyncio.sleep(RETRY_S)

    async def _watch(self) -> None:
        self._knows_progress = is_progress_exact((await self.kv.status()).version)
        revision = (await self.kv.get(_PROBE)).revision
        watcher = await self.kv.watch(
            self._prefix, prefix_end(self._prefix), start_revision=revision + 1, progress_notify=True
        )
        try:
            self._watcher = watcher
            self.revision = revision
            self.generation += 1
            self._opened.set()
            async for batch in watcher:
                if batch.events:
                    self._hand_out(batch.events)
                    # Not batch.revision: some servers name the store's there, which may be ahead of these events.
                    self._advance(batch.events[-1].kv.mod_revision)
                else:
                    self._advance(batch.revision)
        finally:
            self._watcher = None
            await watcher.close()

    def _hand_out(self, events: list[Event]) -> None:
        sinks = self._sinks
        begin = len(self._prefix)
        touched: dict[int, Sink] = {}
        for event in events:
            key = event.kv.key
            at = key.find(b"/", begin) + 1
            sink = sinks.get(key[:at])
            if sink is None:  # /registry/<group>/<plural>/…
                at = key.find(b"/", at) + 1
                sink = sinks.get(key[:at])
                if sink is None:
                    continue
            try:
                sink.take(event)
            except Exception:  # an object that nobody can read must not end everybody's watch
                log.exception("taking %r", key)
            touched[id(sink)] = sink
        for sink in touched.values():
            sink.flush()

    def _advance(self, revision: int) -> None:
        if revision <= self.revision:
            return
        self.revision = revision
        waiting = self._waiting
        if waiting:
            self._waiting = [each for each in waiting if each[0] > revision]
            for wanted, future in waiting:
                if wanted <= revision and not future.done():
                    future.set_result(None)
            if not self._waiting:
                self._stop_asking_progress()

    def _lose(self) -> None:
        self._opened.clear()
        for sink in list(self._sinks.values()):
            sink.lose()
        self._stop_asking_progress()
        self._fail_waiting()

    def _fail_waiting(self) -> None:
        """Those who wait look again: what they wait for may never come now."""
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                future.set_result(None)

    # ---- how new is it? ----

    async def newest(self) -> int:
        """The store's revision, not older than the call. Those who ask while somebody's question is under way ask together."""
        if self._asking is not None:
            if self._next_answer is None:
                self._next_answer = asyncio.get_running_loop().create_task(self._ask_after(self._asking))
                self._next_answer.add_done_callback(_retrieve)
            return await asyncio.shield(self._next_answer)
        return await self._ask()

    async def _ask_after(self, asking: asyncio.Future[None]) -> int:
        await asking
        self._next_answer = None  # who comes from now on is too late for this question
        return await self._ask()

    async def _ask(self) -> int:
        asking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking = asking
        known = self.revision if self.is_open else 0
        try:
            revision = (await read_settled(lambda: self.kv.get(_PROBE))).revision
        finally:
            if self._asking is asking:
                self._asking = None
            asking.set_result(None)
        if revision < known:
            self._forget(known, revision)
        return revision

    def _forget(self, known: int, revision: int) -> None:
        """The store has less than it once said: it is another one, and what the caches hold was never there."""
        if self.is_open and self.revision >= known and self._watcher is not None:
            log.warning("the store is at revision %d and was at %d", revision, known)
            self._lose()
            self._closing = asyncio.get_running_loop().create_task(self._watcher.close())  # then `_run` opens anew

    async def reach(self, revision: int, timeout_s: float | None = None) -> bool:
        """Waits until every change up to `revision` has been handed out. False: not in that time."""
        loop = asyncio.get_running_loop()
        end_s = None if timeout_s is None else loop.time() + timeout_s
        while self.revision < revision or not self.is_open:
            left_s = None if end_s is None else end_s - loop.time()
            if left_s is not None and left_s <= 0:
                return False
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append((revision, future))
            if self._knows_progress and self._progress_timer is None:
                self._progress_timer = loop.call_later(ASK_PROGRESS_AFTER_S, self._ask_progress)
            try:
                async with asyncio.timeout(left_s):
                    await (future if self.is_open else self.start())
            except TimeoutError:
                return False
            finally:
                if self.revision < revision or not self.is_open:
                    self._waiting = [each for each in self._waiting if each[1] is not future]
        return True

    async def catch_up(self) -> bool:
        """Waits until the caches have everything that was there when this was called. False: nobody can know; ask the store."""
        self._looks += 1
        if self._look is not None and self._looks % YIELD_EVERY:
            seen = self._look()
            if seen is not None and seen == self.revision and self.is_open:
                return True
        revision = await self.newest()
        if revision <= self.revision and self.is_open:
            return True
        return await self.reach(revision, None if self._knows_progress else ASK_PROGRESS_EVERY_S)

    def _ask_progress(self) -> None:
        if not self._waiting:
            self._progress_timer = None
            return
        loop = asyncio.get_running_loop()
        self._progress_timer = loop.call_later(ASK_PROGRESS_EVERY_S, self._ask_progress)
        if self._watcher is not None and (self._progress_task is None or self._progress_task.done()):
            self._progress_task = loop.create_task(self._request_progress(self._watcher))

    async def _request_progress(self, watcher: Watcher) -> None:
        try:
            await watcher.request_progress()
        except (KvClusterError, OSError, TimeoutError) as error:
            log.debug("asking for progress: %s", error)

    def _stop_asking_progress(self) -> None:
        if self._progress_timer is not None:
            self._progress_timer.cancel()
            self._progress_timer = None


def _retrieve(task: asyncio.Task[int]) -> None:
    """Those who asked may all have gone; then nobody wants to know of its error."""
    if not task.cancelled():
        task.exception()


def is_progress_exact(version: str) -> bool:
    """Whether a store of this version answers a progress request only after all events before it (etcd#15220)."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    return tuple(numbers) >= (3, 5, 13) or (3, 4, 31) <= tuple(numbers) < (3, 5)
