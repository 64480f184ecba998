"""Watches of the remote client: many watchers on one gRPC stream, resumed wherever and however often it breaks.

    open --> WAITING --stream is there: create request--> CREATING --created--> LIVE --events--> queue --> reader
               ^  ^                                                              |
               |  '--------- the stream broke (lost, no leader, stopped) --------|
               '------------ LAGGING <-- the reader's queue is full: cancelled --'
                             (its queue is half empty: WAITING again)

    any --close / refused / compacted--> OVER

The promise is etcd's: ordered, nothing lost, nothing repeated, revisions whole. It rests on one number per watcher,
`next_revision`: that of the last event delivered, plus one (of a progress notification: its revision plus one; of a
watch from "now": the revision that the server confirmed it at, plus one). Every (re-)creation asks from there, whichever
member answers; a member that is behind lets the watch wait. The past may be gone by then: CompactedError.

Bounds: a slow reader never stalls its neighbours on the stream. At the bound of its queue the watcher is taken off the
stream and comes back from its next revision when the reader has made room, so slowness costs a second look at the
server's history and, if that is compacted meanwhile, ends in CompactedError like any other lag.

Progress (WatchProgressRequest) is a question about the whole stream, and a server answers only while every watcher on
it has caught up; so it is asked again every PROGRESS_RETRY_S until answered, as kube-apiserver does. etcd before 3.5.8
may answer early (etcd#15220).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from kvcluster import pb
from kvcluster.client.channel import Channel
from kvcluster.client.codec import decode_events
from kvcluster.client.errors import INTERNAL, ClientClosedError, RpcError, UnavailableError, error_of_reason
from kvcluster.client.interface import Event, WatchBatch
from kvcluster.client.pool import ChannelPool
from kvcluster.client.queue import WatchQueue
from kvcluster.client.retry import Pauses
from kvcluster.errors import (
    ConnectionLostError,
    KvClusterError,
    LeaderChangedError,
    NoLeaderError,
    StoppedError,
    WatchCanceledError,
)
from kvcluster.wire import ClientStream

log = logging.getLogger(__name__)

PATH = "/etcdserverpb.Watch/Watch"
METADATA = {"hasleader": "true"}
"""A member without a leader ends the stream, so the watches move to one that has one."""

PROGRESS_RETRY_S = 0.1

_PROGRESS_REQUEST = pb.WatchRequest(progress_request=pb.WatchProgressRequest()).SerializeToString()
_INVALID_ID = -1


class RemoteWatcher:
    """An open watch (interface.Watcher). Made by `WatchSession.open`."""

    def __init__(
        self, session: WatchSession, key: bytes, range_end: bytes, start_revision: int, prev_kv: bool, notify: bool
    ) -> None:
        self._session = session
        self._request = pb.WatchCreateRequest(key=key, range_end=range_end, prev_kv=prev_kv, progress_notify=notify)
        self.next_revision = start_revision
        self.wants_progress = False
        self.watch_id: int | None = None  # on the present stream, while live
        self.created: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.queue: WatchQueue[WatchBatch] = WatchQueue(lambda: session.enroll(self))

    def __aiter__(self) -> RemoteWatcher:
        return self

    async def __anext__(self) -> WatchBatch:
        return await self.queue.get()

    async def request_progress(self) -> None:
        self.wants_progress = True
        self._session.ask_progress()

    async def close(self) -> None:
        self.queue.close()
        self._session.drop(self)

    # Called by the session.

    def build_create(self) -> bytes:
        self._request.start_revision = self.next_revision
        return pb.WatchRequest(create_request=self._request).SerializeToString()

    def see_created(self, revision: int) -> None:
        """The server has it, as of `revision`."""
        if not self.next_revision:
            self.next_revision = revision + 1
        if not self.created.done():
            self.created.set_result(None)

    def take(self, events: list[Event], size_bytes: int) -> bool:
        """Queues a response's events; False: no more for now."""
        if events[0].kv.mod_revision < self.next_revision:  # no server should; a reader must not see it twice
            events = [event for event in events if event.kv.mod_revision >= self.next_revision]
            if not events:
                return True
        revision = events[-1].kv.mod_revision
        self.next_revision = revision + 1
        return self.queue.put(WatchBatch(events, revision), size_bytes)

    def see_progress(self, revision: int) -> bool:
        """Queues a progress notification; False: no more for now."""
        self.wants_progress = False
        self.next_revision = max(self.next_revision, revision + 1)
        return self.queue.put(WatchBatch([], revision), 1)

    def fail(self, error: Exception) -> None:
        if not self.created.done():
            self.created.set_exception(error)
            self.created.exception()  # the opener may be gone
        self.queue.fail(error)


class _Stream:
    """One gRPC stream and the watchers on it. Created answers come in the order of create requests."""

    def __init__(self, session: WatchSession, channel: Channel) -> None:
        self._session = session
        self.channel = channel
        self.live: dict[int, RemoteWatcher] = {}
        self.pending: deque[RemoteWatcher] = deque()
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._stream: ClientStream = channel.open_stream(PATH, self, METADATA)

    def create(self, watcher: RemoteWatcher) -> None:
        self.pending.append(watcher)
        self._stream.send(watcher.build_create())

    def cancel(self, watcher: RemoteWatcher) -> None:
        """Takes a live watcher off; one that is being created is cancelled when its answer comes."""
        if watcher.watch_id is not None:
            del self.live[watcher.watch_id]
            self._cancel_id(watcher.watch_id)
            watcher.watch_id = None

    def _cancel_id(self, watch_id: int) -> None:
        request = pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=watch_id))
        self._stream.send(request.SerializeToString())

    def ask_progress(self) -> None:
        self._stream.send(_PROGRESS_REQUEST)

    def close(self) -> None:
        self._stream.cancel()

    # The channel's StreamHandler.

    def on_message(self, payload: bytes) -> None:
        response = pb.WatchResponse.FromString(payload)
        if response.events and not response.canceled:
            watcher = self.live.get(response.watch_id)
            if watcher is not None and not watcher.take(decode_events(response.events), len(payload)):
                self._set_aside(watcher)
        elif response.created:
            self._see_created(response)
        elif response.canceled:
            self._see_canceled(response)
        elif response.header.revision:
            self._see_progress(response)

    def on_end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    def _see_created(self, response: pb.WatchResponse) -> None:
        watcher = self.pending.popleft()
        if response.canceled:
            self._session.fail(watcher, error_of_reason(response.cancel_reason, response.compact_revision))
        elif watcher.queue.is_over:
            self._cancel_id(response.watch_id)
        else:
            self.live[response.watch_id] = watcher
            watcher.watch_id = response.watch_id
            watcher.see_created(response.header.revision)
            self._session.see_working()

    def _see_canceled(self, response: pb.WatchResponse) -> None:
        """Compacted, or the server's own decision; the answers to our own cancel requests find nobody."""
        watcher = self.live.pop(response.watch_id, None)
        if watcher is None:
            return
        watcher.watch_id = None
        error = error_of_reason(response.cancel_reason, response.compact_revision)
        if isinstance(error, _RESUMABLE):  # this member cannot serve now: all watches move
            self.close()
            self.on_end(error)
            return
        if response.compact_revision:
            self._cancel_id(response.watch_id)  # etcd keeps the id reserved until the client says so too
        self._session.fail(watcher, error)

    def _see_progress(self, response: pb.WatchResponse) -> None:
        if response.watch_id != _INVALID_ID:
            watcher = self.live.get(response.watch_id)
            watchers = [] if watcher is None else [watcher]
        else:
            watchers = [watcher for watcher in self.live.values() if watcher.wants_progress]
        for watcher in watchers:
            if not watcher.see_progress(response.header.revision):
                self._set_aside(watcher)

    def _set_aside(self, watcher: RemoteWatcher) -> None:
        """Its queue is full: off the stream until the reader has made room (then the queue calls `enroll`)."""
        self.cancel(watcher)


_RESUMABLE = (ConnectionLostError, UnavailableError, NoLeaderError, LeaderChangedError, StoppedError)


def _is_resumable(error: Exception | None) -> bool:
    """Whether the stream's end says nothing against its watches (clientv3 resumes on Unavailable and Internal)."""
    if error is None or isinstance(error, (*_RESUMABLE, WatchCanceledError)):
        return True
    return isinstance(error, RpcError) and error.code == INTERNAL


class WatchSession:
    """All watches of one client. A task runs while there are watchers, and keeps their stream open."""

    def __init__(self, pool: ChannelPool) -> None:
        self._pool = pool
        self._watchers: dict[RemoteWatcher, None] = {}
        self._stream: _Stream | None = None
        self._task: asyncio.Task[None] | None = None
        self._pauses = Pauses(len(pool))
        self._progress_timer: asyncio.TimerHandle | None = None
        self._last_error: Exception | None = None

    async def open(
        self, key: bytes, range_end: bytes, start_revision: int, prev_kv: bool, notify: bool, timeout_s: float
    ) -> RemoteWatcher:
        """Returns once a server has confirmed the watch. Raises its refusal, or the last failure to reach one."""
        watcher = RemoteWatcher(self, key, range_end, start_revision, prev_kv, notify)
        self._last_error = None
        self._watchers[watcher] = None
        self.enroll(watcher)
        try:
            async with asyncio.timeout(timeout_s):
                await watcher.created
        except BaseException as error:
            await watcher.close()
            if isinstance(error, TimeoutError) and self._last_error is not None:
                raise self._last_error from None
            raise
        return watcher

    def enroll(self, watcher: RemoteWatcher) -> None:
        """Has the watcher created: on the stream that is open, or with all others when one opens."""
        if watcher not in self._watchers:
            return
        if self._stream is not None:
            self._stream.create(watcher)
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="kvcluster watches")

    def drop(self, watcher: RemoteWatcher) -> None:
        """The reader is no longer interested."""
        self._watchers.pop(watcher, None)
        if self._stream is not None:
            self._stream.cancel(watcher)

    def fail(self, watcher: RemoteWatcher, error: Exception) -> None:
        """The watch is over."""
        self._watchers.pop(watcher, None)
        watcher.fail(error)

    def see_working(self) -> None:
        """A watch was confirmed: the next failure is a new one."""
        self._pauses = Pauses(len(self._pool))

    def ask_progress(self) -> None:
        """Asks, and asks again until nobody wants to know any more."""
        if self._progress_timer is not None:
            self._progress_timer.cancel()
            self._progress_timer = None
        if not any(watcher.wants_progress for watcher in self._watchers):
            return
        if self._stream is not None:
            self._stream.ask_progress()
        self._progress_timer = asyncio.get_running_loop().call_later(PROGRESS_RETRY_S, self.ask_progress)

    async def _run(self) -> None:
        """One stream after the other, while anybody watches."""
        while self._watchers:
            error: Exception | None = None
            channel: Channel | None = None
            try:
                channel = await self._pool.acquire()
                error = await self._serve(_Stream(self, channel))
            except KvClusterError as cause:
                error = cause
            if isinstance(error, ClientClosedError):
                self._fail_all(error)
            elif _is_resumable(error):
                log.info("watch stream to %s ended: %s", self._pool.endpoint, error)
                self._last_error = error
                if channel is not None:
                    self._pool.leave(channel)
                await self._pauses.wait()
            else:
                assert error is not None
                self._fail_all(error)

    async def _serve(self, stream: _Stream) -> Exception | None:
        """Creates every waiting watcher on the stream; answers why the stream ended."""
        self._stream = stream
        try:
            for watcher in self._watchers:
                if not watcher.queue.is_full:
                    stream.create(watcher)
            return await stream.ended
        finally:
            self._stream = None
            stream.close()
            for watcher in stream.live.values():
                watcher.watch_id = None

    def _fail_all(self, error: Exception) -> None:
        for watcher in list(self._watchers):
            self.fail(watcher, error)

    async def close(self) -> None:
        """Ends every watch: iterations end as after Watcher.close."""
        if self._progress_timer is not None:
            self._progress_timer.cancel()
            self._progress_timer = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for watcher in list(self._watchers):
            await watcher.close()
