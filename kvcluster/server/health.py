"""/health, /livez, /readyz: whether a member can do its work, for load balancers, kubelets and people (etcd.md 3.9).

    /health    true or false, and why; what it asks for depends on its query
    /livez     whether restarting the member would help      serializable_read
    /readyz    whether clients should be sent here           data_corruption, serializable_read, linearizable_read, non_learner

A check can be asked for by itself (/readyz/linearizable_read) and left out (?exclude=linearizable_read).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from kvcluster import pb
from kvcluster.errors import EtcdError, NoLeaderError, RequestTimeoutError
from kvcluster.server.driver import Driver

HEALTH_TIMEOUT_S = 5.0
CORRUPT = 2
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}

Check = Callable[[], Awaitable[str]]
"""-> why it fails, or ""."""


class HealthChecks:
    """Those of one member."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._checks: dict[str, Check] = {
            "data_corruption": self._data_corruption,
            "serializable_read": self._serializable_read,
            "linearizable_read": self._linearizable_read,
            "non_learner": self._non_learner,
        }
        self._probes = {"/livez": ("serializable_read",), "/readyz": tuple(self._checks)}

    def handles(self, path: str) -> bool:
        probe, _, check = path[1:].partition("/")
        return path == "/health" or (f"/{probe}" in self._probes and (not check or check in self._probes[f"/{probe}"]))

    async def handle(self, request: web.BaseRequest) -> web.Response:
        excluded = request.query.getall("exclude", [])
        if request.path == "/health":
            return await self._health(request.query.get("serializable") == "true", excluded)
        probe, _, check = request.path[1:].partition("/")
        names = (check,) if check else self._probes[f"/{probe}"]
        return await self._probe(names, excluded, "verbose" in request.query)

    async def _health(self, serializable: bool, excluded: Sequence[str]) -> web.Response:
        """excluded: alarms that do not count (`?exclude=NOSPACE`)."""
        for kind, _ in self._driver.member.applier.state.alarms:
            name = pb.AlarmType.Name(kind)
            if name not in excluded:
                return _health_answer(f"ALARM {name}")
        error = None if serializable else await self._read()
        if error is None:
            return _health_answer("")
        return _health_answer("RAFT NO LEADER" if isinstance(error, NoLeaderError) else f"RANGE ERROR:{error}")

    async def _probe(self, names: Sequence[str], excluded: Sequence[str], is_verbose: bool) -> web.Response:
        lines = []
        has_failed = False
        for name in names:
            if name in excluded:
                continue
            reason = await self._checks[name]()
            has_failed = has_failed or bool(reason)
            lines.append(f"[-]{name} failed: {reason}\n" if reason else f"[+]{name} ok\n")
        if has_failed:
            headers = PLAIN | {"X-Content-Type-Options": "nosniff"}
            return web.Response(status=503, text="".join(lines), headers=headers)
        return web.Response(text=("".join(lines) if is_verbose else "") + "ok\n", headers=PLAIN)

    async def _read(self) -> EtcdError | None:
        """A linearizable read, as etcd's own health check does it."""
        member = self._driver.member
        if not member.leader:
            return NoLeaderError()
        answered: asyncio.Future[EtcdError | None] = asyncio.get_running_loop().create_future()
        member.read_barrier(lambda error: None if answered.done() else answered.set_result(error))
        self._driver.wake()
        try:
            return await asyncio.wait_for(answered, HEALTH_TIMEOUT_S)
        except TimeoutError:
            return RequestTimeoutError()

    async def _linearizable_read(self) -> str:
        error = await self._read()
        return "" if error is None else str(error)

    async def _serializable_read(self) -> str:
        """Of the member's own state: it is there as long as the member answers at all."""
        applied = self._driver.member.applier.range(pb.RangeRequest(key=b"a", serializable=True, limit=1))
        return "" if applied.error is None else str(applied.error)

    async def _data_corruption(self) -> str:
        alarms = self._driver.member.applier.state.alarms
        return "alarm activated: CORRUPT" if any(kind == CORRUPT for kind, _ in alarms) else ""

    async def _non_learner(self) -> str:
        member = self._driver.member
        return "not supported for learner" if getattr(member, "is_learner", False) else ""


def _health_answer(reason: str) -> web.Response:
    text = json.dumps({"health": "false" if reason else "true", "reason": reason}, separators=(",", ":"))
    return web.Response(status=503 if reason else 200, text=text, headers=PLAIN)
