"""How a command runs: an event loop, a log, signals that stop it, and errors as one line.

Every command is an async function that is given a `stop` event; SIGINT and SIGTERM set it. A second Ctrl-C, or a stop that takes
longer than STOP_S (or what the command allows itself) ends the process at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

STOP_S = 1.9
LEVELS = ("debug", "info", "warning", "error")


class UsageError(ValueError):
    """A flag that cannot be used; exit code 2."""


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # uvloop is not on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _until_stopped(command: Callable[[asyncio.Event], Awaitable[int]], stop_s: float) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopping() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        loop.call_later(stop_s, os._exit, 1)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping)
    return await command(stop)


def run_command(
    command: Callable[[asyncio.Event], Awaitable[int]],
    log_level: str,
    *errors: type[Exception],
    stop_s: float = STOP_S,
) -> int:
    """Runs `command(stop)`; answers its exit code. `errors`: what is told in one line instead of a traceback.

    stop_s: how long a stop may take; a command that ends processes of its own must have the time to see them end.
    """
    if log_level not in LEVELS:
        return fail(f"--log-level {log_level}: expected one of {', '.join(LEVELS)}", 2)
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_until_stopped(command, stop_s))
    except UsageError as error:
        return fail(str(error), 2)
    except errors as error:
        return fail(str(error) or type(error).__name__, 1)


def fail(text: str, code: int) -> int:
    """One line to stderr; answers the exit code."""
    print(f"apiserver: {text}", file=sys.stderr)
    return code


async def run_until(stop: asyncio.Event, part: Awaitable[Any]) -> int:
    """Runs a part until it ends by itself (its error is raised) or `stop` is set (then it is cancelled)."""
    task = asyncio.ensure_future(part)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
        return 0
    task.cancel()
    await asyncio.wait({task})
    return 0
