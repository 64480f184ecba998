"""Locks, elections and transactions that retry: recipes over leases, transactions and watches, with etcd's own keys.

    async with Session(client) as session:
        async with Lock(session, b"jobs"):          # etcdctl lock jobs waits for it, and it for etcdctl
            ...
        election = Election(session, b"leader")
        await election.campaign(b"me")

Whoever wants something puts a key `name/lease` (the lease in hexadecimal) and waits for the key that was there before; the lease
is kept alive while the session's block runs, and everything that was won with it goes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from kvcluster.client.interface import Client, Compare, DeleteOp, KeyValue, PutOp, RangeOp, RangeResult, prefix_end
from kvcluster.client.keepalive import KeepAlive, keep_alive
from kvcluster.errors import KvClusterError

T = TypeVar("T")

DEFAULT_TTL_S = 60


class SessionExpired(KvClusterError):
    """The key that stood for this session is gone: its lease has ended."""

    text = "mutex: session is expired"


class NotLeader(KvClusterError):
    text = "election: not leader"


class NoLeader(KvClusterError):
    text = "election: no leader"


class Session:
    """A lease that is kept alive while the block runs, and revoked at its end; LeaseLost interrupts the block."""

    def __init__(self, client: Client, *, ttl_s: int = DEFAULT_TTL_S, lease: int = 0) -> None:
        """lease: one that is there already, and is left to its owner at the end."""
        self.client = client
        self.lease = lease
        self._ttl_s = ttl_s
        self._is_own = not lease
        self._kept: KeepAlive | None = None

    async def __aenter__(self) -> Session:
        if self._is_own:
            self.lease = (await self.client.grant(self._ttl_s)).id
        self._kept = keep_alive(self.client, self.lease, ttl_s=self._ttl_s)
        await self._kept.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._kept is not None
        try:
            await self._kept.__aexit__(kind, problem, trace)
        finally:
            if self._is_own:
                try:
                    await self.client.revoke(self.lease)
                except (KvClusterError, OSError):
                    pass  # it ends by itself


async def _wait_deleted(client: Client, prefix: bytes, max_create_revision: int) -> None:
    """Returns when no key of the prefix is as old as that; waits for the youngest of those that are."""
    while True:
        found = await client.range(prefix, prefix_end(prefix))
        older = [kv for kv in found.kvs if kv.create_revision <= max_create_revision]
        if not older:
            return
        youngest = max(older, key=lambda kv: kv.create_revision)
        watcher = await client.watch(youngest.key, start_revision=found.revision + 1)
        try:
            async for batch in watcher:
                if any(event.is_delete for event in batch.events):
                    break
        finally:
            await watcher.close()


def _own_key(session: Session, prefix: bytes) -> bytes:
    return prefix + b"%x" % session.lease


async def _line_up(session: Session, prefix: bytes, value: bytes) -> tuple[bytes, KeyValue | None, int]:
    """Puts the session's own key, or finds it: (key, what was there, create revision)."""
    key = _own_key(session, prefix)
    result = await session.client.txn(
        [Compare(key, "create", "==", 0)], [PutOp(key, value, session.lease)], [RangeOp(key)]
    )
    if result.succeeded:
        return key, None, result.revision
    found = result.results[0]
    assert isinstance(found, RangeResult)
    return key, found.kvs[0], found.kvs[0].create_revision


class Lock:
    """A mutex over the whole cluster: an async context manager, or acquire and release. Not for two tasks of one session."""

    def __init__(self, session: Session, name: bytes) -> None:
        self._session = session
        self._prefix = name + b"/"
        self.key = b""
        """Of whoever holds it; b"" when it is not held."""

    async def acquire(self) -> None:
        """Waits for it. Raises SessionExpired."""
        client = self._session.client
        key = _own_key(self._session, self._prefix)
        try:
            _, _, revision = await _line_up(self._session, self._prefix, b"")
            await _wait_deleted(client, self._prefix, revision - 1)
            if (await client.get(key)).kv is None:
                raise SessionExpired
        except BaseException:
            await asyncio.shield(client.delete(key))
            raise
        self.key = key

    async def try_acquire(self) -> bool:
        """False where somebody else holds it; nobody is waited for."""
        client = self._session.client
        key, _, revision = await _line_up(self._session, self._prefix, b"")
        found = await client.range(self._prefix, prefix_end(self._prefix))
        if any(kv.create_revision < revision for kv in found.kvs):
            await client.delete(key)
            return False
        self.key = key
        return True

    async def release(self) -> None:
        key, self.key = self.key, b""
        if key:
            await self._session.client.delete(key)

    async def __aenter__(self) -> Lock:
        await self.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.release()


class Election:
    """Of one leader among candidates; every session may stand once."""

    def __init__(self, session: Session, name: bytes) -> None:
        self._session = session
        self._prefix = name + b"/"
        self._key = b""
        self._revision = 0

    async def campaign(self, value: bytes) -> None:
        """Waits until this session leads; its value is what others see."""
        key, standing, revision = await _line_up(self._session, self._prefix, value)
        self._key, self._revision = key, revision
        try:
            if standing is not None and standing.value != value:
                await self.proclaim(value)
            await _wait_deleted(self._session.client, self._prefix, revision - 1)
        except BaseException:
            await asyncio.shield(self.resign())
            raise

    async def proclaim(self, value: bytes) -> None:
        """A new value. Raises NotLeader where the key of the campaign is gone."""
        if not self._key:
            raise NotLeader
        result = await self._session.client.txn(
            [Compare(self._key, "create", "==", self._revision)], [PutOp(self._key, value, self._session.lease)]
        )
        if not result.succeeded:
            raise NotLeader

    async def resign(self) -> None:
        """Gives leadership, or the place in the line, up."""
        key, self._key = self._key, b""
        if key:
            await self._session.client.txn([Compare(key, "create", "==", self._revision)], [DeleteOp(key)])

    async def leader(self) -> KeyValue:
        """The leader's key and value. Raises NoLeader."""
        found = await self._session.client.range(self._prefix, prefix_end(self._prefix))
        if not found.kvs:
            raise NoLeader
        return min(found.kvs, key=lambda kv: kv.create_revision)

    async def observe(self) -> AsyncIterator[KeyValue]:
        """Leaders, and what they proclaim, from now on."""
        client = self._session.client
        while True:
            found = await client.range(self._prefix, prefix_end(self._prefix))
            if found.kvs:
                kv = min(found.kvs, key=lambda kv: kv.create_revision)
                yield kv
                key, end = kv.key, b""
            else:
                key, end = self._prefix, prefix_end(self._prefix)
            watcher = await client.watch(key, end, start_revision=found.revision + 1)
            try:
                async for batch in watcher:
                    ended = False
                    for event in batch.events:
                        ended = ended or event.is_delete or bool(end)
                        if not ended:
                            yield event.kv
                    if ended:
                        break
            finally:
                await watcher.close()


class Stm:
    """What a transaction of `run_stm` reads and writes; nothing is written before it commits."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reads: dict[bytes, KeyValue | None] = {}
        self._writes: dict[bytes, bytes | None] = {}

    async def get(self, key: bytes) -> bytes | None:
        """The value; what this transaction has put itself, or as it was when it was first read. None: there is no such key."""
        if key in self._writes:
            return self._writes[key]
        if key not in self._reads:
            self._reads[key] = (await self._client.get(key)).kv
        kv = self._reads[key]
        return None if kv is None else kv.value

    def put(self, key: bytes, value: bytes) -> None:
        self._writes[key] = value

    def delete(self, key: bytes) -> None:
        self._writes[key] = None

    async def _commit(self) -> bool:
        """False: somebody has changed what was read."""
        compares = [Compare(key, "mod", "==", 0 if kv is None else kv.mod_revision) for key, kv in self._reads.items()]
        ops = [DeleteOp(key) if value is None else PutOp(key, value) for key, value in self._writes.items()]
        return (await self._client.txn(compares, ops)).succeeded


async def run_stm(client: Client, transaction: Callable[[Stm], Awaitable[T]]) -> T:
    """Runs `transaction(stm)` until what it read was still so when it wrote; answers what the last run returned.

    Software transactional memory, serializable: everything that was read is compared at the commit. The function may run more
    than once, so it should do nothing but read and write through `stm`.
    """
    while True:
        stm = Stm(client)
        result = await transaction(stm)
        if await stm._commit():
            return result


__all__ = ["Election", "Lock", "NoLeader", "NotLeader", "Session", "SessionExpired", "Stm", "run_stm"]
