"""Which state a read is answered from: what resourceVersion and resourceVersionMatch mean (kubernetes.md 1.4).

    ""              the newest: the watch cache, once it has everything that the store has by now
    "0"             whatever the watch cache has
    N               not older than N: the watch cache, once it is there; after WAIT_S 504
    N, exact        the watch cache if nothing has changed since, else the store's history (410 where that is compacted)
    continue        exact, at the revision of the first page; -1 = the newest

exact: resourceVersionMatch=Exact, or N with a limit and no match. A store that cannot say whether the cache is up to date
(feed.py) is asked for the objects themselves; what is already decoded is shared with the cache all the same.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.errors import too_large_resource_version
from apiserver.storage.events import Accepts
from apiserver.storage.object_store import Page
from apiserver.storage.pages import Position
from apiserver.storage.stored import Stored
from apiserver.storage.watch_cache import WatchCache

WAIT_S = 3.0
"""How long a read waits for a revision that is not there yet."""


class Wanted(NamedTuple):
    """revision: None = the newest; 0 = any; N = not older, or that very one where `is_exact`. limit 0: no limit."""

    revision: int | None = None
    is_exact: bool = False
    limit: int = 0
    position: Position | None = None


NEWEST = Wanted()


async def find_one(cache: WatchCache, namespace: str, name: str, revision: int | None = None) -> Stored | None:
    """An object, or None. revision: as in Wanted; raises 504 for one that the store does not reach in time."""
    if not await _is_new_enough(cache, revision):
        return await cache.store.find(namespace, name)
    return cache.find(namespace, name)


async def read_page(cache: WatchCache, namespace: str, accepts: Accepts | None, wanted: Wanted = NEWEST) -> Page:
    """A page. `accepts` drops objects before the limit. Raises 410 for what is compacted, 504 for what is not there yet."""
    revision, position, limit = wanted.revision, wanted.position, wanted.limit
    if position is not None:
        revision = None if position.revision < 0 else position.revision
    is_exact = bool(revision) and (wanted.is_exact or position is not None)
    if revision == 0:
        limit = 0  # "0" takes what the cache has, and all of it
    at = (revision or 0) if is_exact else 0
    if await _is_new_enough(cache, revision) and (not is_exact or cache.changed_revision <= at):
        return cache.page(namespace, accepts, revision=at, limit=limit, position=position)
    return await cache.store.list(
        namespace, revision=at, limit=limit, position=position, accepts=accepts, known=cache.known
    )


async def _is_new_enough(cache: WatchCache, revision: int | None) -> bool:
    """Waits for the cache. False: the store has that revision, and nobody can know whether the cache has. Raises 504."""
    if revision is None:
        is_there = await cache.feed.catch_up()
    elif revision <= cache.revision:
        is_there = True
    else:
        is_there = await cache.feed.reach(revision, WAIT_S)
        if not is_there:
            newest = await cache.feed.newest()
            if newest < revision:
                raise too_large_resource_version(revision, newest)
    if not cache.is_listed:
        await cache.start()
    return is_there
