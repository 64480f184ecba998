"""A client that sees only the keys under a prefix, and without it (as etcd's clientv3/namespace).

jobs = Namespaced(client, b"jobs/")
await jobs.put(b"1", b"…")            # is jobs/1
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from kvcluster.client.interface import (
    Client,
    Compare,
    DeleteResult,
    Event,
    GetResult,
    KeyValue,
    LeaseInfo,
    Op,
    PutIfResult,
    PutOp,
    PutResult,
    RangeResult,
    TxnOp,
    TxnResult,
    WatchBatch,
    Watcher,
    prefix_end,
)
from kvcluster.errors import EmptyKeyError

_END = b"\x00"


class Namespaced:
    """interface.KV and Watch under `prefix`; leases are the cluster's own, but their keys are told without the prefix."""

    def __init__(self, client: Client, prefix: bytes) -> None:
        """ValueError for an empty prefix."""
        if not prefix:
            raise ValueError("a namespace needs a prefix")
        self._client = client
        self._prefix = prefix

    # ---- keys ----

    def _in(self, key: bytes, range_end: bytes) -> tuple[bytes, bytes]:
        if not key:
            raise EmptyKeyError
        if range_end == _END:
            return self._prefix + (b"" if key == _END else key), prefix_end(self._prefix)
        return self._prefix + key, self._prefix + range_end if range_end else b""

    def _kv(self, kv: KeyValue) -> KeyValue:
        return kv._replace(key=kv.key[len(self._prefix) :])

    def _maybe(self, kv: KeyValue | None) -> KeyValue | None:
        return None if kv is None else self._kv(kv)

    def _kvs(self, kvs: Sequence[KeyValue]) -> list[KeyValue]:
        return [self._kv(kv) for kv in kvs]

    def _op(self, op: Op) -> Op:
        if isinstance(op, TxnOp):
            return TxnOp(*self._txn_parts(op.compare, op.success, op.failure))
        if isinstance(op, PutOp):
            return op._replace(key=self._in(op.key, b"")[0])
        key, range_end = self._in(op.key, op.range_end)
        return op._replace(key=key, range_end=range_end)

    def _txn_parts(
        self, compare: Sequence[Compare], success: Sequence[Op], failure: Sequence[Op]
    ) -> tuple[Any, Any, Any]:
        compares = []
        for each in compare:
            key, range_end = self._in(each.key, each.range_end)
            compares.append(each._replace(key=key, range_end=range_end))
        return compares, [self._op(op) for op in success], [self._op(op) for op in failure]

    def _result(self, result: Any) -> Any:
        if isinstance(result, TxnResult):
            return result._replace(results=[self._result(each) for each in result.results])
        if isinstance(result, RangeResult):
            return result._replace(kvs=self._kvs(result.kvs))
        if isinstance(result, DeleteResult):
            return result._replace(prev_kvs=self._kvs(result.prev_kvs))
        return result._replace(prev_kv=self._maybe(result.prev_kv))

    # ---- KV ----

    async def get(self, key: bytes, *, revision: int = 0, serializable: bool = False) -> GetResult:
        found = await self._client.get(self._in(key, b"")[0], revision=revision, serializable=serializable)
        return found._replace(kv=self._maybe(found.kv))

    async def range(self, key: bytes, range_end: bytes = b"", **options: Any) -> RangeResult:
        result: RangeResult = self._result(await self._client.range(*self._in(key, range_end), **options))
        return result

    async def put(self, key: bytes, value: bytes, *, lease: int = 0, prev_kv: bool = False) -> PutResult:
        result: PutResult = self._result(
            await self._client.put(self._in(key, b"")[0], value, lease=lease, prev_kv=prev_kv)
        )
        return result

    async def delete(self, key: bytes, range_end: bytes = b"", *, prev_kv: bool = False) -> DeleteResult:
        result: DeleteResult = self._result(await self._client.delete(*self._in(key, range_end), prev_kv=prev_kv))
        return result

    async def txn(
        self, compare: Sequence[Compare] = (), success: Sequence[Op] = (), failure: Sequence[Op] = ()
    ) -> TxnResult:
        result: TxnResult = self._result(await self._client.txn(*self._txn_parts(compare, success, failure)))
        return result

    async def put_if(self, key: bytes, value: bytes, *, mod_revision: int, lease: int = 0) -> PutIfResult:
        found = await self._client.put_if(self._in(key, b"")[0], value, mod_revision=mod_revision, lease=lease)
        return found._replace(kv=self._maybe(found.kv))

    async def delete_if(self, key: bytes, *, mod_revision: int) -> PutIfResult:
        found = await self._client.delete_if(self._in(key, b"")[0], mod_revision=mod_revision)
        return found._replace(kv=self._maybe(found.kv))

    # ---- watches and leases ----

    async def watch(self, key: bytes, range_end: bytes = b"", **options: Any) -> NamespacedWatcher:
        return NamespacedWatcher(self, await self._client.watch(*self._in(key, range_end), **options))

    def _event(self, event: Event) -> Event:
        return event._replace(kv=self._kv(event.kv), prev_kv=self._maybe(event.prev_kv))

    async def grant(self, ttl_s: int, *, id: int = 0) -> LeaseInfo:
        return await self._client.grant(ttl_s, id=id)

    async def revoke(self, id: int) -> None:
        await self._client.revoke(id)

    async def keep_alive_once(self, id: int) -> LeaseInfo:
        return await self._client.keep_alive_once(id)

    async def time_to_live(self, id: int, *, keys: bool = False) -> LeaseInfo:
        """Keys of other namespaces are left out."""
        info = await self._client.time_to_live(id, keys=keys)
        own = [key[len(self._prefix) :] for key in info.keys if key.startswith(self._prefix)]
        return info._replace(keys=own)


class NamespacedWatcher:
    """interface.Watcher"""

    def __init__(self, space: Namespaced, watcher: Watcher) -> None:
        self._space = space
        self._watcher = watcher

    def __aiter__(self) -> AsyncIterator[WatchBatch]:
        return self

    async def __anext__(self) -> WatchBatch:
        batch = await self._watcher.__anext__()
        return batch._replace(events=[self._space._event(event) for event in batch.events])

    async def request_progress(self) -> None:
        await self._watcher.request_progress()

    async def close(self) -> None:
        await self._watcher.close()
