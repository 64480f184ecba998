"""Objects over a KV client: one resource, one prefix, one key per object, laid out as Kubernetes lays them out.

    /registry/pods/<namespace>/<name>      /registry/minions/<name>

Optimistic: a write names the revision it is based on, and the store refuses it if the key has moved on. Nothing is cached
here. Works on any etcd v3 through kvcluster.client's protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from apiserver.errors import StatusError, expired, too_large_resource_version
from apiserver.storage.pages import Position, encode_continue
from apiserver.storage.settling import delete_settled, put_settled, read_settled
from apiserver.storage.stored import Stored
from kvcluster.client import Client, KeyValue, RangeResult, prefix_end
from kvcluster.errors import CompactedError, FutureRevisionError

PAGE_KEYS = 1000
"""Keys read at a time where a selector drops some, so that a short page of a long list does not read it all."""


class Page(NamedTuple):
    """items in key order, nobody's to change; revision: of the list; token: "" at the end; remaining: objects after this page.

    shared: what is made of these items may be kept here, for others who read the same.
    """

    items: list[Stored]
    revision: int
    token: str = ""
    remaining: int | None = None
    shared: dict[Hashable, bytes] | None = None


class ObjectStore:
    """Raises nothing of etcd's: a compacted revision is 410 Expired, a future one 504."""

    def __init__(self, kv: Client, prefix: str) -> None:
        self.kv = kv
        self.prefix = prefix.rstrip("/") + "/"

    def key(self, namespace: str, name: str) -> bytes:
        return f"{self.prefix}{namespace}/{name}".encode() if namespace else f"{self.prefix}{name}".encode()

    def key_prefix(self, namespace: str = "") -> bytes:
        """What the keys of a namespace begin with, or of all."""
        return f"{self.prefix}{namespace}/".encode() if namespace else self.prefix.encode()

    async def find(self, namespace: str, name: str) -> Stored | None:
        """The newest state, or None."""
        key = self.key(namespace, name)
        found = await read_settled(lambda: self.kv.get(key))
        return None if found.kv is None or not is_readable(found.kv) else _stored(found.kv)

    async def create(self, namespace: str, name: str, value: bytes, *, lease: int = 0) -> Stored | None:
        """None where the key exists already."""
        key = self.key(namespace, name)
        answer = await put_settled(self.kv, key, value, mod_revision=0, lease=lease)
        return Stored(key, value, answer.revision) if answer.succeeded else None

    async def replace(self, old: Stored, value: bytes, *, lease: int = 0) -> Stored | None:
        """None where the object is another by now."""
        answer = await put_settled(self.kv, old.key, value, mod_revision=old.revision, lease=lease)
        return Stored(old.key, value, answer.revision) if answer.succeeded else None

    async def remove(self, old: Stored) -> Stored | None:
        """The last state under the revision of its deletion; None where the object is another by now."""
        answer = await delete_settled(self.kv, old.key, mod_revision=old.revision)
        return old.at(answer.revision) if answer.succeeded else None

    async def revision(self) -> int:
        """The store's newest revision."""
        return (await read_settled(lambda: self.kv.get(self.prefix.encode()))).revision

    async def list_all(self, step: int) -> tuple[list[Stored], int]:
        """Every object as of one revision, and that revision; `step` keys at a time. Raises CompactedError."""
        begin, end = self.key_prefix(), prefix_end(self.key_prefix())
        items: list[Stored] = []
        revision = 0
        while True:
            answer = await self._range(begin, end, revision, step)
            revision = revision or answer.revision
            items += [_stored(kv) for kv in answer.kvs if is_readable(kv)]
            if not answer.more:
                return items, revision
            begin = answer.kvs[-1].key + b"\x00"

    async def _range(self, begin: bytes, end: bytes, revision: int, limit: int) -> RangeResult:
        return await read_settled(lambda: self.kv.range(begin, end, revision=revision, limit=limit))

    async def list(
        self,
        namespace: str = "",
        *,
        revision: int = 0,
        limit: int = 0,
        position: Position | None = None,
        accepts: Callable[[Stored], bool] | None = None,
        known: Callable[[KeyValue], Stored | None] | None = None,
    ) -> Page:
        """A page. revision 0: the newest; position: where the page before ended. `accepts` drops objects before the limit.

        known: finds a version that somebody has at hand already, so that it is not decoded once more.
        """
        prefix = self.key_prefix(namespace)
        begin, end = prefix, prefix_end(prefix)
        if position is not None:
            begin = prefix + position.start.encode()
            revision = max(position.revision, 0)
        items: list[Stored] = []
        while True:
            step = (limit if accepts is None else PAGE_KEYS) if limit else 0
            try:
                answer = await self._range(begin, end, revision, step)
            except CompactedError as error:
                raise _expired(position) from error
            except FutureRevisionError as error:
                raise too_large_resource_version(revision, await self.revision()) from error
            revision = revision or answer.revision
            for number, kv in enumerate(answer.kvs, 1):
                if not is_readable(kv):
                    continue
                stored = (known(kv) if known is not None else None) or _stored(kv)
                if accepts is None or accepts(stored):
                    items.append(stored)
                begin = kv.key + b"\x00"
                if limit and len(items) == limit:
                    left = answer.count - number
                    if not left:
                        return Page(items, revision)
                    start = begin[len(prefix) :].decode()
                    token = encode_continue(Position(revision, start))
                    return Page(items, revision, token, left if accepts is None else None)
            if not answer.more:
                return Page(items, revision)


def is_readable(kv: KeyValue) -> bool:
    """Whether it is JSON. Others write to the store too; what is none of ours is passed over, and never breaks a list."""
    return kv.value.startswith(b"{")


def _stored(kv: KeyValue) -> Stored:
    return Stored(kv.key, kv.value, kv.mod_revision)


def _expired(position: Position | None) -> StatusError:
    if position is None:
        return expired("The resourceVersion for the provided list is too old.")
    error = expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    error.continue_token = encode_continue(Position(-1, position.start))
    return error
