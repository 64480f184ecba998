"""When a failed call is tried again, where, and after what pause.

    attempt at the current endpoint
      fails, safe to repeat (errors.py) --> next endpoint; after a whole round a pause first --> attempt ...
      fails otherwise                   --> its error
      the call's time is over           --> the last error, or TimeoutError where there was none

The pause doubles from MIN_PAUSE_S to MAX_PAUSE_S, with 10 % jitter so that clients that lost the same server do not
come back in step (clientv3 pauses 25 ms after it has tried a quorum). A read that gets no answer at all in its share of
the time is tried elsewhere: a frozen member accepts connections and answers nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kvcluster.client.channel import Channel
from kvcluster.client.errors import is_safe_to_repeat
from kvcluster.client.pool import ChannelPool

T = TypeVar("T")

MIN_PAUSE_S = 0.025
MAX_PAUSE_S = 0.4


class Pauses:
    """The pauses of one call, or of one watch that is being resumed: one after every whole round of endpoints."""

    __slots__ = ("_round", "_failures", "_next_s")

    def __init__(self, endpoints: int) -> None:
        self._round = endpoints
        self._failures = 0
        self._next_s = MIN_PAUSE_S

    async def wait(self) -> None:
        """Called after each failure; sleeps where a round is complete."""
        self._failures += 1
        if self._failures % self._round == 0:
            await asyncio.sleep(self._next_s * random.uniform(0.9, 1.1))
            self._next_s = min(self._next_s * 2, MAX_PAUSE_S)


async def call_with_retry(
    pool: ChannelPool, attempt: Callable[[Channel], Awaitable[T]], *, is_read: bool, timeout_s: float
) -> T:
    """Runs `attempt` on a connected channel until it succeeds or may not be repeated.

    Raises the error of the last attempt; TimeoutError when `timeout_s` is over without any.
    """
    last: Exception | None = None
    pauses = Pauses(len(pool))
    share_s = timeout_s / min(len(pool), 3) if is_read and len(pool) > 1 else None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                channel: Channel | None = None
                try:
                    channel = await pool.acquire()
                    async with asyncio.timeout(share_s):
                        return await attempt(channel)
                except Exception as error:
                    if not (isinstance(error, TimeoutError) and is_read) and not is_safe_to_repeat(
                        error, is_read=is_read
                    ):
                        raise
                    last = error
                    if channel is not None:
                        pool.leave(channel)
                await pauses.wait()
    except TimeoutError:
        if last is not None and not isinstance(last, TimeoutError):
            raise last from None
        raise
