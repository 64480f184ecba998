"""How the writer and the readers of a run agree on where it begins and ends, through `Context.tell` and `Context.heard`.

    reader    ready: told ─▶ has all of the warm-up, or nothing comes any more ─▶ forgets the figures: told ─▶ has it all: the end
    writer    waits for all readers ─▶ writes for the warm-up: told ─▶ waits for all ─▶ writes what is measured: told

So nothing of the warm-up is measured, not even its late deliveries. A run without warm-up has the second half only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from kvcluster.load.watching.deliveries import Deliveries
from kvcluster.load.workloads import Context

QUIET_S = 5.0
"""After the last put: when nothing has come for so long, the rest is lost."""
STOPPED_QUIET_S = 1.0
"""The same once the run was stopped, or a server is gone."""
POLL_S = 0.01


class Written(NamedTuple):
    """Puts 0..puts-1 were made since the run began; `failed` of them certainly or perhaps without effect."""

    puts: int
    failed: Sequence[int]
    is_last: bool


def tell_written(context: Context, written: Written) -> None:
    context.tell({"written": [written.puts, list(written.failed), written.is_last]})


async def wait_readers(context: Context, readers: int) -> None:
    """The writer's: until all readers are ready for what it writes next, or the run is stopped."""
    ready: set[int] = set()
    while len(ready) < readers:
        told = await _hear(context, None)
        if told is None:
            return
        if "ready" in told:
            ready.add(told["ready"])


async def follow(
    context: Context, deliveries: Deliveries, missing: Callable[[Written], int], reset: Callable[[Written], object]
) -> Written | None:
    """A reader's run. -> what was written in all; None: it was stopped, and the writer did not say.

    missing(written): how many events are still to come; reset(written): the warm-up is over.
    """
    try:
        while True:
            context.tell({"ready": context.index})
            written = await _hear_written(context)
            if written is None:
                return None
            await _settle(context, deliveries, partial(missing, written))
            if written.is_last:
                return written
            reset(written)
    finally:
        context.tell({"ready": context.index})  # so that the writer does not wait for one that is gone


async def _hear_written(context: Context) -> Written | None:
    while True:
        told = await _hear(context, STOPPED_QUIET_S)
        if told is None:
            return None
        if "written" in told:
            return Written(*told["written"])


async def _hear(context: Context, patience_s: float | None) -> Any:
    """What another worker says; None where the run is stopped, and patience_s later too (None: at once)."""
    hearing = asyncio.ensure_future(context.heard.get())
    stopping = asyncio.ensure_future(context.stop.wait())
    try:
        await asyncio.wait((hearing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done() and patience_s is not None:
            await asyncio.wait((hearing,), timeout=patience_s)
        return hearing.result() if hearing.done() else None
    finally:
        hearing.cancel()
        stopping.cancel()


async def _settle(context: Context, deliveries: Deliveries, missing: Callable[[], int]) -> None:
    """Until nothing is missing, or nothing came for a while. The figures end with the last delivery, not with this."""
    loop = asyncio.get_running_loop()
    seen, since_s = -1, loop.time()
    while missing():
        if deliveries.events != seen:
            seen, since_s = deliveries.events, loop.time()
        quiet_s = STOPPED_QUIET_S if context.stop.is_set() else min(QUIET_S, context.plan.timeout_s)
        if loop.time() - since_s > quiet_s:
            return
        await asyncio.sleep(POLL_S)
