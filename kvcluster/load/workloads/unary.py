"""The one runner of all workloads that are requests and answers; they only say what is asked.

source(caller) → (path, request bytes)        check(caller, answer) → what is wrong, or None
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from random import Random
from typing import Any

from kvcluster.load.arrivals import Arrivals, Check, ClosedLoop, OpenLoop, Source
from kvcluster.load.links import Link, LoadError, open_links
from kvcluster.load.plan import Plan
from kvcluster.load.workloads import Context
from kvcluster.wire import Outcome

PUT, RANGE, TXN = "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range", "/etcdserverpb.KV/Txn"
RING = 16_384
"""Requests that are built before the run, and sent again and again."""
FILL_AHEAD = 256


class Unary:
    """See the module. `fill`: requests to be made once before the run, by worker 0."""

    is_timed = True

    def __init__(
        self, context: Context, unit: str, source: Source, *, check: Check | None = None, fill: Iterable[bytes] = ()
    ) -> None:
        self.unit = unit
        self._context = context
        self._source = source
        self._check = check
        self._fill = fill
        self._opened: list[Link] = []
        self._arrivals: Arrivals | None = None
        self._limit = 0
        """Operations to be counted; set when the warm-up is over."""

    async def prepare(self) -> None:
        plan, index = self._context.plan, self._context.index
        # Every worker its share of the connections, at least one; together they are spread over all endpoints.
        first = sum(plan.share(plan.conns, earlier) for earlier in range(index))
        self._opened = await open_links(plan.endpoints, max(plan.share(plan.conns, index), 1), offset=first)
        if index == 0:
            await fill(self._opened[0], self._fill)

    def links(self) -> Sequence[Any]:
        """What the arrivals call on."""
        return self._opened

    async def run(self) -> None:
        context, plan = self._context, self._context.plan
        if plan.rate:
            arrivals: Arrivals = OpenLoop(
                self.links(), self._source, context.recorder, rate=plan.rate / plan.workers, now=context.now,
                later=asyncio.get_running_loop(), check=self._check,
            )  # fmt: skip
        else:
            arrivals = ClosedLoop(
                self.links(), self._source, context.recorder, clients=max(plan.share(plan.clients, context.index), 1),
                now=context.now, check=self._check,
            )  # fmt: skip
        self._arrivals = arrivals
        arrivals.on_dead = context.interrupt
        arrivals.begin(self._limit)
        arrivals.start()  # type: ignore[attr-defined]
        await until_either(arrivals.finished, context.stop)
        arrivals.stop()

    def begin(self) -> None:
        self._limit = self._context.plan.share(self._context.plan.total, self._context.index)
        if self._arrivals is not None:
            self._arrivals.begin(self._limit)

    def extra(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        for link in self._opened:
            link.close()


async def until_either(*events: Any) -> None:
    """Returns when one of the asyncio.Events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def fill(link: Link, requests: Iterable[bytes], path: str = PUT) -> None:
    """Makes each request once, FILL_AHEAD at a time. Raises LoadError for the first that fails."""
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = iter(requests)
    under_way = 0

    def send() -> None:
        nonlocal under_way
        request = next(left, None)
        if request is not None:
            under_way += 1
            link.connection.call_unary(path, request, done)
        elif not under_way and not finished.done():
            finished.set_result(None)

    def done(outcome: Outcome) -> None:
        nonlocal under_way
        under_way -= 1
        if finished.done():
            return
        if outcome.code:
            finished.set_exception(LoadError(f"preparing keys: {outcome.text} (code {outcome.code})"))
        else:
            send()

    for _ in range(FILL_AHEAD):
        send()
    await finished


async def until_answered(link: Link, path: str, request: bytes, timeout_s: float) -> Outcome:
    """One call. Raises LoadError where no answer comes in time."""
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if not answered.done():
            answered.set_result(outcome)

    link.connection.call_unary(path, request, done)
    try:
        async with asyncio.timeout(timeout_s):
            return await answered
    except TimeoutError:
        raise LoadError(f"{link.endpoint} does not answer within {timeout_s:g} s") from None


def make_key(plan: Plan, number: int) -> bytes:
    """`prefix` and a number, padded to key_size where that is longer."""
    prefix = plan.prefix.encode()
    return b"%s%0*d" % (prefix, max(plan.key_size - len(prefix), len(str(plan.key_space_size - 1))), number)


def key_numbers(plan: Plan, index: int, count: int) -> list[int]:
    """Which keys a worker's requests go to: in order from its own place on, or drawn with the seed."""
    if plan.sequential_keys:
        start = index * plan.key_space_size // plan.workers
        return [(start + number) % plan.key_space_size for number in range(count)]
    dice = Random(f"{plan.seed} {index}")
    return [dice.randrange(plan.key_space_size) for _ in range(count)]


def make_value(plan: Plan) -> bytes:
    return Random(plan.seed).randbytes(plan.val_size)


class Template:
    """A request's bytes with another key: serialized once, then two joins a request. The key's length is always the same."""

    def __init__(self, build: Callable[[bytes], bytes], key_bytes: int) -> None:
        mark = b"\x01" * key_bytes
        self._pieces = build(mark).split(mark)
        if b"".join((mark.join(self._pieces),)) != build(mark) or len(self._pieces) < 2:
            raise ValueError("the request does not hold its key")

    def fill(self, key: bytes) -> bytes:
        return key.join(self._pieces)


def ring_of(path: str, requests: Iterable[bytes]) -> Source:
    """Again and again the same requests, whoever asks."""
    following = cycle([(path, request) for request in requests]).__next__
    return lambda caller: following()


def ring_size(plan: Plan) -> int:
    """Requests to be built: sequential keys must all be there, once around."""
    if plan.sequential_keys:
        return plan.key_space_size
    return min(plan.total or RING, RING)
