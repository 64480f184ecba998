"""How a command runs: an event loop, signals that stop it, and errors as one line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

STOP_S = 1.9


class UsageError(ValueError):
    """A flag that cannot be used; exit code 2."""


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # uvloop is not on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _until_stopped(command: Callable[[], Awaitable[int]]) -> int:
    """SIGINT and SIGTERM cancel the command; a second one, or STOP_S without an end, ends the process."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(command())
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            os._exit(130)
        stopping = True
        loop.call_later(STOP_S, os._exit, 1)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        return 0


def run_command(command: Callable[[], Awaitable[int]], *errors: type[Exception]) -> int:
    """Runs it; answers its exit code. `errors`: what is told in one line instead of a traceback."""
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_until_stopped(command))
    except UsageError as error:
        return fail(str(error), 2)
    except errors as error:
        return fail(str(error) or type(error).__name__, 1)


def fail(text: str, code: int) -> int:
    """What went wrong, to stderr; answers the exit code."""
    print(f"kvcluster: {text}", file=sys.stderr)
    return code
