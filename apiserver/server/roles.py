"""The roles and bindings of the store, in the index that decides: read from the watch caches, never from the store.

Every decision first looks whether one of four numbers has changed since the last one; only then the changes are taken over, one
by one. So a decision is as new as the watch caches are, and costs what the index costs. While a cache has lost its watch, the
index says what it knew last, and the cache is listed again.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from apiserver.auth import Access, Authorizer, Decision, RoleIndex, Rules, User
from apiserver.errors import StatusError
from apiserver.registry import Registry
from apiserver.storage import WatchCache
from kvcluster.errors import KvClusterError

GROUP = "rbac.authorization.k8s.io"
PLURALS = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")


class _Followed(NamedTuple):
    plural: str
    cache: WatchCache


class RoleFeed:
    """`start` before the first decision."""

    def __init__(self, registry: Registry) -> None:
        self.index = RoleIndex()
        self._registry = registry
        self._followed: list[_Followed] = []
        self._seen: list[int] = []
        self._listing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises what the store says."""
        for plural in PLURALS:
            resource = self._registry.catalog.find(GROUP, "v1", plural)
            assert resource is not None, f"{plural} are not served"
            cache = await self._registry.cache(resource)
            self._followed.append(_Followed(plural, cache))
            self._seen.append(-1)
        self._refresh()

    async def stop(self) -> None:
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing})

    def _refresh(self) -> None:
        seen = self._seen
        for place, (plural, cache) in enumerate(self._followed):
            if cache.changed_revision != seen[place]:
                self._take(plural, cache, seen[place])
                seen[place] = cache.changed_revision
            elif not cache.is_listed:
                self._list_again()

    def _take(self, plural: str, cache: WatchCache, after: int) -> None:
        changes = cache.changes_after(after)
        if changes is None:
            if cache.is_listed:
                self.index.replace(plural, (stored.obj for stored in cache.page().items))
            return
        for change in changes:
            stored = change.now or change.before
            if stored is not None:
                metadata = stored.obj["metadata"]
                obj = None if change.now is None else stored.obj
                self.index.set(plural, metadata.get("namespace", ""), metadata["name"], obj)

    def _list_again(self) -> None:
        if self._listing is None or self._listing.done():
            self._listing = asyncio.get_running_loop().create_task(self._list(), name="listing roles")

    async def _list(self) -> None:
        try:
            for _, cache in self._followed:
                await cache.start()
        except (KvClusterError, StatusError, OSError, TimeoutError):
            pass  # the next decision tries again

    def authorizer(self) -> Authorizer:
        index = self.index

        def allows(access: Access) -> bool:
            self._refresh()
            return index.allows(access)

        def decide(access: Access) -> Decision:
            self._refresh()
            return index.decide(access)

        def rules(user: User, namespace: str) -> Rules:
            self._refresh()
            return index.rules(user, namespace)

        return Authorizer(allows, decide, rules)
