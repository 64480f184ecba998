"""Writes and reads that survive the store's change of leader.

When a leader dies, what was proposed to it may or may not come to pass, and the store says so: "request timed out", "leader
changed", a lost connection. Every write of an API server names the revision it is based on, so the question can be settled by
looking:

    the key is as it was before      ──▶ write again (should the first attempt come through late, its condition fails)
    the key holds what was written   ──▶ it came to pass
    the key is another               ──▶ somebody else was quicker, as without any trouble

A creation that came to pass and was changed by another client before we looked is told as "exists already": the one case in which
a client hears a failure of what succeeded. Whoever cannot settle it within SETTLE_S hears the store's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kvcluster.client import Client, PutIfResult
from kvcluster.errors import (
    ConnectionLostError,
    LeaderChangedError,
    NoLeaderError,
    NotLeaderError,
    ProposalDroppedError,
    RequestTimeoutError,
    StoppedError,
)

T = TypeVar("T")

SETTLE_S = 15.0
"""Three elections with etcd's timeouts; a request has a minute."""
MIN_PAUSE_S, MAX_PAUSE_S = 0.02, 0.5

UNSETTLED = (
    RequestTimeoutError,
    LeaderChangedError,
    NoLeaderError,
    NotLeaderError,
    ProposalDroppedError,
    StoppedError,
    ConnectionLostError,
)


async def put_settled(kv: Client, key: bytes, value: bytes, *, mod_revision: int, lease: int = 0) -> PutIfResult:
    """kvcluster's put_if, settled."""
    try:
        return await kv.put_if(key, value, mod_revision=mod_revision, lease=lease)
    except UNSETTLED as error:
        first = error

    async def again() -> PutIfResult:
        found = await kv.get(key)
        there = 0 if found.kv is None else found.kv.mod_revision
        if there == mod_revision:
            return await kv.put_if(key, value, mod_revision=mod_revision, lease=lease)
        if found.kv is not None and found.kv.value == value:
            return PutIfResult(True, there, found.kv)
        return PutIfResult(False, found.revision, found.kv)

    return await _until_settled(again, first)


async def delete_settled(kv: Client, key: bytes, *, mod_revision: int) -> PutIfResult:
    """kvcluster's delete_if, settled. Nobody tells who deleted a key that is gone: then it was us."""
    try:
        return await kv.delete_if(key, mod_revision=mod_revision)
    except UNSETTLED as error:
        first = error

    async def again() -> PutIfResult:
        found = await kv.get(key)
        if found.kv is None:
            return PutIfResult(True, found.revision)
        if found.kv.mod_revision == mod_revision:
            return await kv.delete_if(key, mod_revision=mod_revision)
        return PutIfResult(False, found.revision, found.kv)

    return await _until_settled(again, first)


async def read_settled(read: Callable[[], Awaitable[T]]) -> T:
    """A read may simply be done again."""
    try:
        return await read()
    except UNSETTLED as error:
        return await _until_settled(read, error)


async def _until_settled(attempt: Callable[[], Awaitable[T]], first: Exception) -> T:
    loop = asyncio.get_running_loop()
    ends = loop.time() + SETTLE_S
    pause, last = MIN_PAUSE_S, first
    while loop.time() < ends:
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_S)
        try:
            return await attempt()
        except UNSETTLED as error:
            last = error
    raise last
