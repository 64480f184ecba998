"""Keeping a lease alive in the background, and being told when it is lost.

    async with keep_alive(client, lease) as kept:     # a LeaseInfo, or an id and ttl_s
        ...                                           # whatever must not go on without the lease

    RENEWING --the server says it is gone, or nobody answered for a whole TTL--> LOST

When the lease is lost the block is interrupted where it waits and `LeaseLost` is raised from the `async with`: work under a
lock must not go on without it. With interrupt=False nothing is interrupted; ask `kept.is_lost` or await `kept.lost()`.
Leaving the block ends the renewals; the lease itself is left to expire or to be revoked by its owner.

A renewal is due every third of the TTL (clientv3's rhythm). One that fails is tried again after a tenth of the TTL. What
counts is the TTL from the last renewal's START: the server's clock may have begun there.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from kvcluster.client.interface import Lease, LeaseInfo
from kvcluster.errors import EtcdError, KvClusterError, LeaseNotFoundError, StoppedError


class LeaseLost(KvClusterError):
    """The lease is gone, or nobody could renew it for its whole TTL; the text says which."""


def keep_alive(client: Lease, lease: LeaseInfo | int, *, ttl_s: int | None = None, interrupt: bool = True) -> KeepAlive:
    """Keeps `lease` alive while the `async with` block runs.

    ttl_s: needed where only the id is known. ValueError without any TTL.
    """
    id, granted_s = (lease.id, lease.granted_ttl_s or lease.ttl_s) if isinstance(lease, LeaseInfo) else (lease, 0)
    ttl_s = ttl_s or granted_s
    if ttl_s <= 0:
        raise ValueError("keep_alive needs the lease's TTL: pass what grant returned, or ttl_s")
    return KeepAlive(client, id, ttl_s, interrupt)


class KeepAlive:
    """An async context manager for one block. See the module's contract."""

    def __init__(self, client: Lease, id: int, ttl_s: int, interrupt: bool) -> None:
        self.id = id
        self._client = client
        self._ttl_s = float(ttl_s)
        self._interrupt = interrupt
        self._body: asyncio.Task[object] | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[LeaseLost] | None = None
        self._interrupted = False
        self._cancelling = 0

    @property
    def is_lost(self) -> bool:
        return self._lost is not None and self._lost.done()

    async def lost(self) -> LeaseLost:
        """Waits until the lease is lost; answers how. With interrupt=True the block has no use for it."""
        assert self._lost is not None, "outside of the async with block"
        return await asyncio.shield(self._lost)

    async def __aenter__(self) -> KeepAlive:
        loop = asyncio.get_running_loop()
        self._body = asyncio.current_task()
        self._cancelling = self._body.cancelling() if self._body is not None else 0
        self._lost = loop.create_future()
        self._task = loop.create_task(self._run(), name=f"keep lease {self.id:x}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._task is not None and self._lost is not None
        self._task.cancel()
        try:
            await asyncio.gather(self._task, return_exceptions=True)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            kind = asyncio.CancelledError  # the lease was lost while the block was ending without a wait
        if not self._interrupted or self._body is None:
            self._lost.cancel()
            return
        # As asyncio.timeout does: our own cancellation becomes LeaseLost, somebody else's stays what it is.
        if self._body.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._lost.result() from error

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        renewed_s = loop.time()
        while True:
            started_s = loop.time()
            left_s = renewed_s + self._ttl_s - started_s
            try:
                async with asyncio.timeout(max(left_s, 0)):
                    info = await self._client.keep_alive_once(self.id)
            except LeaseNotFoundError:
                self._lose(f"lease {self.id:x} is gone: it expired or was revoked")
                return
            except StoppedError as cause:
                self._lose(f"lease {self.id:x} cannot be kept alive: {cause}")
                return
            except (OSError, EtcdError) as cause:  # TimeoutError and ConnectionLostError are OSErrors
                if loop.time() - renewed_s >= self._ttl_s:
                    self._lose(f"lease {self.id:x} could not be renewed for {self._ttl_s:g} s: {cause or 'no answer'}")
                    return
                await asyncio.sleep(min(self._ttl_s / 10, max(renewed_s + self._ttl_s - loop.time(), 0)))
                continue
            renewed_s = started_s
            self._ttl_s = float(info.ttl_s)
            await asyncio.sleep(self._ttl_s / 3)

    def _lose(self, text: str) -> None:
        assert self._lost is not None
        self._lost.set_result(LeaseLost(text))
        if self._interrupt and self._body is not None:
            self._interrupted = True
            self._body.cancel()
