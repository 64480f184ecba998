"""One of several processes leads: whoever holds a Lease object that it keeps renewing.

    FOLLOWING ──lease free, or not renewed for lease_duration as WE saw it──► acquire by CAS ──ok──► LEADING
        ▲                                                                                               │
        └────────── renew failed for renew_deadline: stop leading before anybody else may ──────────────┘

Nobody compares clocks of two machines: "not renewed" means that this process has not seen the record change for
lease_duration on its own clock. The compare-and-swap is the API server's resourceVersion.
Defaults 15 / 10 / 2 s. Source: client-go tools/leaderelection.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable

from apiserver.client.client import Client, Object
from apiserver.client.timing import LoopClock, TimerClock
from apiserver.client.transport import ServerUnreachableError
from apiserver.errors import StatusError
from apiserver.meta import format_micro_time

log = logging.getLogger(__name__)

LEASES = "coordination.k8s.io/v1/leases"
LEASE_DURATION_S = 15
RENEW_DEADLINE_S = 10.0
RETRY_PERIOD_S = 2.0


class LeaderElector:
    """identity: unique among the candidates. Raises ValueError where the three times cannot work together."""

    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        *,
        namespace: str = "kube-system",
        clock: TimerClock | None = None,
        lease_duration_s: int = LEASE_DURATION_S,
        renew_deadline_s: float = RENEW_DEADLINE_S,
        retry_period_s: float = RETRY_PERIOD_S,
    ) -> None:
        if not lease_duration_s > renew_deadline_s > retry_period_s > 0:
            raise ValueError("lease_duration_s > renew_deadline_s > retry_period_s > 0 is required")
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._clock: TimerClock = clock if clock is not None else LoopClock()
        self._lease_duration_s = lease_duration_s
        self._renew_deadline_s = renew_deadline_s
        self._retry_period_s = retry_period_s
        self._seen: tuple[str, str] | None = None
        self._seen_at_s = 0.0
        self.is_leader = False

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Waits to become leader, then runs `lead` while renewing. Returns when leadership is lost or `lead` ends.

        `lead` is cancelled before another candidate can take over. On a clean end the lease is given up at once.
        """
        while not await self._try_acquire():
            await self._clock.sleep(self._retry_period_s)
        self.is_leader = True
        log.info("%s leads as %s", self._identity, self._name)
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait([leading, renewing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.is_leader = False
            lost = renewing.done() and not renewing.cancelled()
            for task in (leading, renewing):
                task.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            if not lost:
                await self._release()
        if leading.done() and not leading.cancelled():
            leading.result()

    async def _renew(self) -> None:
        """Returns when the lease has not been renewed for renew_deadline_s, even while an attempt hangs."""
        expired = asyncio.Event()
        deadline = [self._clock.call_later(self._renew_deadline_s, expired.set)]

        async def keep() -> None:
            while True:
                await self._clock.sleep(self._retry_period_s)
                if await self._try_acquire():
                    deadline[0].cancel()
                    deadline[0] = self._clock.call_later(self._renew_deadline_s, expired.set)

        keeping = asyncio.ensure_future(keep())
        try:
            await expired.wait()
            log.warning("%s lost %s: not renewed for %s s", self._identity, self._name, self._renew_deadline_s)
        finally:
            deadline[0].cancel()
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _try_acquire(self) -> bool:
        """One attempt to take or renew the lease; False for any failure."""
        try:
            return await self._take()
        except (StatusError, ServerUnreachableError) as error:
            log.debug("lease %s: %s", self._name, error)
            return False

    async def _take(self) -> bool:
        now = format_micro_time(self._clock.now_s())
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            await self._client.create(LEASES, self._fresh(now))
            return True
        lease = copy.deepcopy(lease)
        spec = lease.setdefault("spec", {})
        holder = spec.get("holderIdentity") or ""
        record = (holder, str(spec.get("renewTime")))
        if record != self._seen:
            self._seen = record
            self._seen_at_s = self._clock.monotonic_s()
        duration_s = spec.get("leaseDurationSeconds") or self._lease_duration_s
        if holder and holder != self._identity and self._clock.monotonic_s() - self._seen_at_s < duration_s:
            return False
        if holder != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        spec.update(holderIdentity=self._identity, renewTime=now, leaseDurationSeconds=self._lease_duration_s)
        await self._client.update(LEASES, lease)
        return True

    async def _release(self) -> None:
        try:
            lease = copy.deepcopy(await self._client.get(LEASES, self._name, self._namespace))
            if lease.get("spec", {}).get("holderIdentity") == self._identity:
                lease["spec"].update(holderIdentity="", leaseDurationSeconds=1)
                await self._client.update(LEASES, lease)
        except (StatusError, ServerUnreachableError) as error:
            log.debug("lease %s was not given up: %s", self._name, error)

    def _fresh(self, now: str) -> Object:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._lease_duration_s,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        }
