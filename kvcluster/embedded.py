"""The client of a member in this process: interface.Client without sockets, and without protobuf where that is cheap.

What is hot (get, range, put, delete, put_if, delete_if, watch) goes straight to the member; what is rare goes through the
same method table that the sockets serve, so that both are checked by the same code.

The client asks `find` for the shell to use, at every call: the one member it belongs to, or whichever leads just now
(kvcluster.cluster decides). A shell is a member and whoever drives it (server.Driver).

Watches are sinks of the member's hub. A reader that lags fills its bounded queue; the hub then remembers one number and
serves the watcher from history later. `move_watches` takes watchers to another member, from the next revision
they need: nothing is lost or repeated. Where there is no other member, they wait.

Reads by a sole voter that leads need no barrier: whatever was acknowledged was applied here before. They do not wait for
anything, so every YIELD_EVERY-th of them lets the event loop run: a loop of reads must not stop the world.

Where authentication is on, such a client may do what user root may: who has the member in his own process has it all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from kvcluster import pb
from kvcluster.auth import SYSTEM
from kvcluster.client import (
    ClientClosedError,
    DeleteResult,
    GetResult,
    KeyValue,
    LeaseInfo,
    PutIfResult,
    PutResult,
    RangeResult,
    UnaryCalls,
    WatchBatch,
    WatchQueue,
    codec,
    error_of,
    is_safe_to_repeat,
)
from kvcluster.errors import CompactedError, EmptyKeyError, EtcdError, LeaseNotFoundError, StoppedError
from kvcluster.member import (
    Applied,
    LeaseAnswer,
    Member,
    PutFields,
    encode_put,
    encode_put_if,
    ops,
    plan_put_if,
)
from kvcluster.mvcc import KeyValue as StoredKeyValue
from kvcluster.rpc import RpcServices
from kvcluster.watch import Subscription

YIELD_EVERY = 100
PAUSE_S = 0.02
"""Between two attempts of a read that a change of leader swallowed."""
PROGRESS_RETRY_S = 0.1
PROGRESS_INTERVAL_S = 600.0
"""etcd's --watch-progress-notify-interval."""

_SUCCEEDED = b"\x10\x01"
"""How a TxnResponse that succeeded begins (kvcluster.apply.wire)."""

_new_tuple = tuple.__new__


class Shell(Protocol):
    """A member and who drives it."""

    @property
    def member(self) -> Member: ...

    def wake(self) -> None:
        """There is something to do: a turn runs soon."""
        ...


class EmbeddedClient(UnaryCalls):
    """See the module's contract.

    find: the shell to use now; raises StoppedError when there is none. timeout_s: of a read, repetitions included;
    writes are timed by the member (request_timeout_ticks).
    """

    def __init__(
        self, find: Callable[[], Shell], *, timeout_s: float = 7.0, progress_interval_s: float = PROGRESS_INTERVAL_S
    ) -> None:
        self._find = find
        self._timeout_s = timeout_s
        self._progress_interval_s = progress_interval_s
        self._services: tuple[Member, RpcServices] | None = None
        self._watchers: dict[EmbeddedWatcher, None] = {}
        self._reads = 0
        self._closed = False

    async def __aenter__(self) -> EmbeddedClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the watches; later calls raise ClientClosedError. The member goes on. Safe to call twice."""
        self._closed = True
        for watcher in list(self._watchers):
            await watcher.close()

    def _shell(self) -> Shell:
        if self._closed:
            raise ClientClosedError
        return self._find()

    # -- rare calls: the method table -------------------------------------------------------------------------------

    async def _call(self, path: str, payload: bytes, *, is_read: bool) -> bytes:
        async with asyncio.timeout(self._timeout_s if is_read else None):
            while True:
                shell = self._shell()
                call = _Call()
                self._services_of(shell.member).methods[path.encode()].handler(call, payload)
                shell.wake()
                try:
                    return await call.answer
                except EtcdError as error:
                    if not is_read or not is_safe_to_repeat(error, is_read=True):
                        raise
                await asyncio.sleep(PAUSE_S)

    def _services_of(self, member: Member) -> RpcServices:
        if self._services is None or self._services[0] is not member:
            self._services = member, RpcServices(member, trusts_callers=True)
        return self._services[1]

    async def keep_alive_once(self, id: int) -> LeaseInfo:
        shell = self._shell()
        future: asyncio.Future[LeaseAnswer | EtcdError] = asyncio.get_running_loop().create_future()
        shell.member.renew_lease(id, partial(_settle, future))
        shell.wake()
        answer = await future
        if isinstance(answer, EtcdError):
            raise answer
        if answer.ttl_s <= 0:
            raise LeaseNotFoundError
        return LeaseInfo(id, answer.ttl_s, answer.ttl_s)

    # -- reads ------------------------------------------------------------------------------------------------------

    async def _readable(self, serializable: bool) -> Member:
        """A member whose store may be read now. Raises what the read barrier says, TimeoutError."""
        self._reads += 1
        if self._reads % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        shell = self._shell()
        member = shell.member
        if serializable or (member.is_leader and member.is_alone):
            return member
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._timeout_s
        while True:
            future: asyncio.Future[EtcdError | None] = loop.create_future()
            member.read_barrier(partial(_settle, future))
            shell.wake()
            error = await future
            if error is None:
                return member
            if not is_safe_to_repeat(error, is_read=True) or loop.time() >= deadline_s:
                raise error
            await asyncio.sleep(PAUSE_S)
            shell = self._shell()
            member = shell.member

    def find_revision(self) -> int | None:
        """The store's newest revision, where a look suffices: at a sole voter that leads. None: ask with a read."""
        if self._closed:
            return None
        try:
            member = self._find().member
        except StoppedError:
            return None
        return member.store.revision if member.is_leader and member.is_alone else None

    async def get(self, key: bytes, *, revision: int = 0, serializable: bool = False) -> GetResult:
        if not key:
            raise EmptyKeyError
        store = (await self._readable(serializable)).store
        if revision > 0:
            kvs = store.range(key, revision=revision).kvs
            kv = kvs[0] if kvs else None
        else:
            kv = store.get(key)
        return GetResult(None if kv is None else _record(kv), store.revision)

    async def range(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        revision: int = 0,
        limit: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
        serializable: bool = False,
    ) -> RangeResult:
        if not key:
            raise EmptyKeyError
        store = (await self._readable(serializable)).store
        found = store.range(key, range_end, revision=revision, limit=limit, count_only=count_only)
        if count_only:
            return RangeResult([], found.count, False, found.revision)
        records = [_record(kv) for kv in found.kvs]
        if keys_only:
            records = [record._replace(value=b"") for record in records]
        return RangeResult(records, found.count, found.more, found.revision)

    # -- writes -----------------------------------------------------------------------------------------------------

    def _propose(self, op: int, payload: bytes, request: Any) -> asyncio.Future[Applied]:
        """Will have the outcome of a change, or its refusal. request: what `payload` says, so that it is not parsed again."""
        if self._closed:
            raise ClientClosedError
        shell = self._find()
        future: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
        member = shell.member
        who = SYSTEM if member.auth.is_enabled else None
        member.propose(op, payload, partial(_conclude, future), request, who)
        shell.wake()
        return future

    async def put(self, key: bytes, value: bytes, *, lease: int = 0, prev_kv: bool = False) -> PutResult:
        if not key:
            raise EmptyKeyError
        if not (isinstance(key, bytes) and isinstance(value, bytes)):
            raise TypeError(f"key and value must be bytes, not {type(key).__name__} and {type(value).__name__}")
        fields = _new_tuple(PutFields, (key, value, lease, prev_kv, False, False))  # hot: see build_entries in raft
        applied = await self._propose(ops.PUT, encode_put(fields), fields)
        if not applied.body:
            return _new_tuple(PutResult, (applied.revision, None))
        return codec.decode_put(pb.PutResponse.FromString(applied.body), applied.revision)

    async def delete(self, key: bytes, range_end: bytes = b"", *, prev_kv: bool = False) -> DeleteResult:
        if not key:
            raise EmptyKeyError
        request = pb.DeleteRangeRequest(key=key, range_end=range_end, prev_kv=prev_kv)
        applied = await self._propose(ops.DELETE_RANGE, request.SerializeToString(), request)
        return codec.decode_delete(pb.DeleteRangeResponse.FromString(applied.body), applied.revision)

    async def put_if(self, key: bytes, value: bytes, *, mod_revision: int, lease: int = 0) -> PutIfResult:
        if not key:
            raise EmptyKeyError
        fields = _new_tuple(PutFields, (key, value, lease, False, False, False))
        payload = encode_put_if(fields, mod_revision)
        applied = await self._propose(ops.TXN, payload, plan_put_if(fields, mod_revision))
        if applied.body.startswith(_SUCCEEDED):
            return _new_tuple(PutIfResult, (True, applied.revision, None))
        return codec.decode_put_if(pb.TxnResponse.FromString(applied.body), applied.revision)

    async def delete_if(self, key: bytes, *, mod_revision: int) -> PutIfResult:
        return await self._swap(key, codec.build_delete_if(key, mod_revision))

    async def _swap(self, key: bytes, request: pb.TxnRequest) -> PutIfResult:
        if not key:
            raise EmptyKeyError
        applied = await self._propose(ops.TXN, request.SerializeToString(), request)
        return codec.decode_put_if(pb.TxnResponse.FromString(applied.body), applied.revision)

    # -- watches ----------------------------------------------------------------------------------------------------

    async def watch(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        start_revision: int = 0,
        prev_kv: bool = False,
        progress_notify: bool = False,
    ) -> EmbeddedWatcher:
        watcher = EmbeddedWatcher(self._forget, key or b"\x00", range_end, start_revision, prev_kv)
        watcher.attach(self._shell())
        self._watchers[watcher] = None
        if progress_notify:
            watcher.notify_every(self._progress_interval_s)
        return watcher

    def _forget(self, watcher: EmbeddedWatcher) -> None:
        self._watchers.pop(watcher, None)

    def move_watches(self, from_member: Member) -> None:
        """The member stops, or has lost its leader: its watchers go on where `find` says now, or wait for resume_watches."""
        for watcher in [watcher for watcher in self._watchers if watcher.member is from_member]:
            watcher.detach()
        self.resume_watches()

    def resume_watches(self) -> None:
        """There is a member again for the watchers that wait for one."""
        for watcher in [watcher for watcher in self._watchers if watcher.member is None]:
            try:
                watcher.attach(self._shell())
            except StoppedError:
                return

    def fail_watches(self, error: Exception) -> None:
        """There will be no member any more."""
        for watcher in list(self._watchers):
            watcher.fail(error)


class EmbeddedWatcher:
    """An open watch (interface.Watcher), and a Sink of the hub. Made by `EmbeddedClient.watch`."""

    def __init__(
        self,
        on_close: Callable[[EmbeddedWatcher], None],
        key: bytes,
        range_end: bytes,
        start_revision: int,
        prev_kv: bool,
    ) -> None:
        self._on_close = on_close
        self._key = key
        self._range_end = range_end
        self._prev_kv = prev_kv
        self._next_revision = start_revision
        self._shell: Shell | None = None
        self.member: Member | None = None
        self._subscription: Subscription | None = None
        self._queue: WatchQueue[tuple[bytes, int]] = WatchQueue(self._resume)
        self._timer: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._was_told = False

    def __aiter__(self) -> EmbeddedWatcher:
        return self

    async def __anext__(self) -> WatchBatch:
        events, revision = await self._queue.get()
        if not events:
            return WatchBatch([], revision)
        # `events` is what a WatchResponse carries, without anything around it.
        return WatchBatch(codec.decode_events(pb.WatchResponse.FromString(events).events), revision)

    async def request_progress(self) -> None:
        self._tell_progress()

    async def close(self) -> None:
        self.detach()
        self._stop_timers()
        self._queue.close()
        self._on_close(self)

    # -- called by the client ---------------------------------------------------------------------------------------

    def attach(self, shell: Shell) -> None:
        """Watches at this member, from the next revision on. Raises WatchRangeEmptyError, CompactedError."""
        self.detach()
        hub = shell.member.hub
        start_revision = self._next_revision or hub.revision + 1
        subscription = hub.subscribe(self._key, self._range_end, start_revision, prev_kv=self._prev_kv, sink=self)
        self._next_revision = start_revision
        self._shell, self.member, self._subscription = shell, shell.member, subscription
        shell.wake()

    def detach(self) -> None:
        """Leaves its member; events wait in the history."""
        if self._subscription is not None and self.member is not None:
            self.member.hub.cancel(self._subscription)
        self._shell = self.member = self._subscription = None

    def fail(self, error: Exception) -> None:
        self.detach()
        self._stop_timers()
        self._queue.fail(error)
        self._on_close(self)

    def notify_every(self, interval_s: float) -> None:
        """Progress notifications from time to time, when there was no event since the last."""
        self._ticker = asyncio.get_running_loop().call_later(interval_s, self._notify, interval_s)

    # -- the hub's Sink ---------------------------------------------------------------------------------------------

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        if self._queue.is_full:
            return False
        self._queue.put((events, revision), len(events))
        self._next_revision = revision + 1
        self._was_told = True
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        self._subscription = None
        self._stop_timers()
        self._queue.fail(CompactedError(compact_revision=compact_revision))
        self._on_close(self)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """The queue has room again."""
        if self._subscription is not None and self._shell is not None and self.member is not None:
            self.member.hub.resume(self._subscription)
            self._shell.wake()

    def _is_synced(self) -> bool:
        subscription, member = self._subscription, self.member
        return subscription is not None and member is not None and member.hub.is_synced(subscription)

    def _tell_progress(self) -> None:
        """Now, or as soon as the watcher has caught up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue.is_over:
            return
        if self._is_synced() and not self._queue.is_full:
            self._put_progress()
        else:
            self._timer = asyncio.get_running_loop().call_later(PROGRESS_RETRY_S, self._tell_progress)

    def _put_progress(self) -> None:
        assert self.member is not None
        revision = self.member.hub.revision
        self._queue.put((b"", revision), 1)
        self._next_revision = max(self._next_revision, revision + 1)

    def _notify(self, interval_s: float) -> None:
        if not self._was_told and self._is_synced() and not self._queue.is_full:
            self._put_progress()
        self._was_told = False
        self.notify_every(interval_s)

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._ticker):
            if timer is not None:
                timer.cancel()
        self._timer = self._ticker = None


class _Call:
    """What the method table is handed for a unary call (wire.ServiceCall); `answer` becomes the response's bytes."""

    __slots__ = ("answer",)

    metadata: Mapping[str, str] = {}
    peer = "embedded"
    common_name = ""
    is_active = True
    buffered_bytes = 0

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def when_cancelled(self, tell: Callable[[], object]) -> None:
        self.answer.add_done_callback(lambda answer: tell() if answer.cancelled() else None)

    def reply(self, *chunks: bytes) -> None:
        _settle(self.answer, b"".join(chunks))

    def fail(self, code: int, text: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(error_of(code, text))


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    """The asker may be gone by now."""
    if not future.done():
        future.set_result(result)


def _conclude(future: asyncio.Future[Applied], applied: Applied) -> None:
    if not future.done():
        if applied.error is None:
            future.set_result(applied)
        else:
            future.set_exception(applied.error)


def _record(kv: StoredKeyValue) -> KeyValue:
    fields = (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    return _new_tuple(KeyValue, fields)
