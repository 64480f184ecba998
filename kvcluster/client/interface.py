"""What a client of the store looks like, whoever implements it.

`KV`, `Watch` and `Lease` are protocols with two implementations: `client.remote` speaks gRPC to any etcd v3 endpoint,
`kvcluster.embedded` calls a member in the same process. Code that takes a `Client` cannot tell them apart; the same
tests run on both. The API server (apiserver/storage) knows only this module.

Rules: keys and values are bytes. `range_end` follows etcd: empty = one key, b"\\x00" = every key from `key` on,
otherwise [key, range_end). Revision 0 means the newest. Every method raises an error of kvcluster.errors with etcd's
text, or asyncio.TimeoutError / OSError-like `ConnectionLostError` from the remote client when nobody answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol


class KeyValue(NamedTuple):
    """One version of a key."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0


class Event(NamedTuple):
    """A change: a put (kv is the new version) or a delete (kv carries only key and mod_revision)."""

    is_delete: bool
    kv: KeyValue
    prev_kv: KeyValue | None = None


class GetResult(NamedTuple):
    """kv is None where the key does not exist; revision is the store's at the time of the read."""

    kv: KeyValue | None
    revision: int


class RangeResult(NamedTuple):
    """kvs in key order; count ignores limit; more says that limit cut the list."""

    kvs: list[KeyValue]
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants here
    more: bool
    revision: int


class PutResult(NamedTuple):
    revision: int
    prev_kv: KeyValue | None = None


class DeleteResult(NamedTuple):
    deleted: int
    revision: int
    prev_kvs: list[KeyValue] = []


class PutIfResult(NamedTuple):
    """Of put_if and delete_if. succeeded False: the key's mod_revision was another, and kv is what is there (or None)."""

    succeeded: bool
    revision: int
    kv: KeyValue | None = None


class Compare(NamedTuple):
    """A condition of a transaction.

    target: "version" | "create" | "mod" | "value" | "lease"; result: "==" | "!=" | ">" | "<".
    operand: int, or bytes for target "value".
    """

    key: bytes
    target: str
    result: str
    operand: int | bytes
    range_end: bytes = b""


class PutOp(NamedTuple):
    key: bytes
    value: bytes
    lease: int = 0
    prev_kv: bool = False


class DeleteOp(NamedTuple):
    key: bytes
    range_end: bytes = b""
    prev_kv: bool = False


class RangeOp(NamedTuple):
    key: bytes
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    keys_only: bool = False
    count_only: bool = False


class TxnOp(NamedTuple):
    """A transaction inside a transaction."""

    compare: Sequence[Compare] = ()
    success: Sequence[Op] = ()
    failure: Sequence[Op] = ()


Op = PutOp | DeleteOp | RangeOp | TxnOp


class TxnResult(NamedTuple):
    """results: one per operation of the branch that ran, of the type that the plain call returns."""

    succeeded: bool
    revision: int
    results: list[PutResult | DeleteResult | RangeResult | TxnResult]


class WatchBatch(NamedTuple):
    """Events of one or more whole revisions, in order. No events: a progress notification.

    Every event with a revision <= `revision` has been delivered once a progress batch carries it.
    """

    events: list[Event]
    revision: int


class LeaseInfo(NamedTuple):
    """ttl_s is -1 for a lease that does not exist (etcd's answer to TimeToLive)."""

    id: int
    ttl_s: int
    granted_ttl_s: int = 0
    keys: list[bytes] = []


class MemberInfo(NamedTuple):
    id: int
    name: str
    peer_urls: list[str]
    client_urls: list[str]
    is_learner: bool = False


class Status(NamedTuple):
    """How one member is. leader is 0 when it knows none."""

    cluster_id: int
    member_id: int
    revision: int
    raft_term: int
    version: str
    db_size_bytes: int
    leader: int
    raft_index: int
    raft_applied_index: int
    is_learner: bool
    errors: list[str]


class Watcher(Protocol):
    """An open watch: `async for batch in watcher`. It resumes by itself after a lost connection, without loss or repeats.

    Iteration raises CompactedError when the next revision it needs has been compacted; it ends after close().
    """

    def __aiter__(self) -> AsyncIterator[WatchBatch]: ...

    async def __anext__(self) -> WatchBatch: ...

    async def request_progress(self) -> None:
        """Asks for a progress batch; it comes when the watch has caught up (etcd: WatchProgressRequest)."""
        ...

    async def close(self) -> None: ...


class KV(Protocol):
    async def get(self, key: bytes, *, revision: int = 0, serializable: bool = False) -> GetResult: ...

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
    ) -> RangeResult: ...

    async def put(self, key: bytes, value: bytes, *, lease: int = 0, prev_kv: bool = False) -> PutResult: ...

    async def delete(self, key: bytes, range_end: bytes = b"", *, prev_kv: bool = False) -> DeleteResult: ...

    async def txn(
        self, compare: Sequence[Compare] = (), success: Sequence[Op] = (), failure: Sequence[Op] = ()
    ) -> TxnResult: ...

    async def put_if(self, key: bytes, value: bytes, *, mod_revision: int, lease: int = 0) -> PutIfResult:
        """Puts if the key's mod_revision is still `mod_revision`; 0 = if the key does not exist."""
        ...

    async def delete_if(self, key: bytes, *, mod_revision: int) -> PutIfResult:
        """Deletes if the key's mod_revision is still `mod_revision`."""
        ...

    async def compact(self, revision: int, *, physical: bool = False) -> None: ...


class Watch(Protocol):
    async def watch(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        start_revision: int = 0,
        prev_kv: bool = False,
        progress_notify: bool = False,
    ) -> Watcher:
        """Opens a watch; returns once the server has confirmed it, so nothing after this call is missed."""
        ...


class Lease(Protocol):
    async def grant(self, ttl_s: int, *, id: int = 0) -> LeaseInfo: ...

    async def revoke(self, id: int) -> None: ...

    async def keep_alive_once(self, id: int) -> LeaseInfo:
        """Renews to the granted TTL. Raises LeaseNotFoundError when it is gone."""
        ...

    async def time_to_live(self, id: int, *, keys: bool = False) -> LeaseInfo: ...

    async def leases(self) -> list[int]: ...


class Client(KV, Watch, Lease, Protocol):
    """All of it, and the two looks at the cluster."""

    async def status(self) -> Status: ...

    async def members(self) -> list[MemberInfo]: ...

    async def close(self) -> None: ...


def prefix_end(prefix: bytes) -> bytes:
    """The range_end that makes [prefix, range_end) all keys with that prefix; b"\\x00" (= no end) where there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        if prefix[index] < 0xFF:
            return prefix[:index] + bytes([prefix[index] + 1])
    return b"\x00"
