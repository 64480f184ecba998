"""lease: keep-alives of many leases, one after the other, over one stream for each connection (etcd's LeaseKeepAlive).

An answer belongs to the oldest question of its stream: the server answers in order. Leases are granted before the run, by each
worker its share, and revoked after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from kvcluster import pb
from kvcluster.load.links import Link, LoadError
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.unary import Unary, fill, until_answered
from kvcluster.wire import Outcome

GRANT, REVOKE, KEEP_ALIVE = (
    "/etcdserverpb.Lease/LeaseGrant",
    "/etcdserverpb.Lease/LeaseRevoke",
    "/etcdserverpb.Lease/LeaseKeepAlive",
)
TTL_S = 600
OK = Outcome(0, "")


class KeepAliveStream:
    """Looks like a connection to the arrivals: `call_unary` sends on the stream, and the next answer is its own."""

    def __init__(self, link: Link) -> None:
        self._waiting: deque[Any] = deque()
        self._error: Outcome | None = None
        self._stream = link.connection.open_stream(KEEP_ALIVE, self._take, self._end)

    def call_unary(self, path: str, payload: bytes, done: Any) -> None:
        if self._error is not None:
            done(self._error)
            return
        self._waiting.append(done)
        self._stream.send(payload)

    def _take(self, payload: bytes) -> None:
        if self._waiting:
            self._waiting.popleft()(OK._replace(payload=payload))

    def _end(self, outcome: Outcome) -> None:
        self._error = outcome._replace(code=outcome.code or 14, text=outcome.text or "the stream ended", was_sent=False)
        waiting, self._waiting = self._waiting, deque()
        for done in waiting:
            done(self._error)


class StreamLink:
    """A link whose calls go over one keep-alive stream."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.connection = KeepAliveStream(link)

    @property
    def lost(self) -> str | None:
        return self._link.lost

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "on_lost":
            self._link.on_lost = value
        else:
            object.__setattr__(self, name, value)


class KeepAlives(Unary):
    def __init__(self, context: Context) -> None:
        self._ids: list[int] = []
        self._requests: Any = None
        super().__init__(context, "keep-alives", self._next, check=_check_alive)

    def _next(self, caller: int) -> tuple[str, bytes]:
        return KEEP_ALIVE, next(self._requests)

    async def prepare(self) -> None:
        await super().prepare()
        plan, index = self._context.plan, self._context.index
        grant = pb.LeaseGrantRequest(TTL=TTL_S).SerializeToString()
        for _ in range(max(plan.share(plan.leases, index), 1)):
            outcome = await until_answered(self._opened[0], GRANT, grant, plan.timeout_s)
            if outcome.code:
                raise LoadError(f"granting leases: {outcome.text} (code {outcome.code})")
            self._ids.append(pb.LeaseGrantResponse.FromString(outcome.payload).ID)
        self._requests = cycle([pb.LeaseKeepAliveRequest(ID=id).SerializeToString() for id in self._ids])

    def links(self) -> Sequence[Any]:
        return [StreamLink(link) for link in self._opened]

    async def close(self) -> None:
        """Revokes what it granted, where the server is still there."""
        alive = [link for link in self._opened if link.lost is None]
        if alive and self._ids:
            revokes = [pb.LeaseRevokeRequest(ID=id).SerializeToString() for id in self._ids]
            try:
                async with asyncio.timeout(self._context.plan.timeout_s):
                    await fill(alive[0], revokes, REVOKE)
            except (LoadError, TimeoutError):
                pass
        await super().close()


def _check_alive(caller: int, payload: bytes) -> str | None:
    return None if pb.LeaseKeepAliveResponse.FromString(payload).TTL > 0 else "the lease is gone"


def make(context: Context) -> Workload:
    return KeepAlives(context)
