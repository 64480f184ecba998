"""The writer: numbers its puts, stamps each with the time from which its deliveries count, and knows which of them failed.

    closed loop   `clients` callers, each with one put under way; the stamp is the time of sending
    open loop     put i is due at start + i / rate; the stamp is the time when it was due, so a server that stalls is seen

`write(number, stamp_ns, done)` sends one put; done(None) or done(what went wrong) is called once, perhaps at once. Exactly
`total` puts are made, since what watchers must have seen is worked out from their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from kvcluster.load.watching.phases import Written, tell_written, wait_readers
from kvcluster.load.workloads import Context

Done = Callable[[str | None], None]
Write = Callable[[int, int, Done], object]

MAX_UNDER_WAY = 10_000
"""Of an open loop: beyond it puts are not sent, and fail."""
NOT_SENT = f"not sent: {MAX_UNDER_WAY} puts wait for an answer"
MIN_PAUSE_S = 0.001
STOPPED_S = 1.0
"""How long answers are waited for once the run was stopped."""


class Writer:
    def __init__(self, context: Context, write: Write) -> None:
        self.first_put_ns = self.last_put_ns = 0
        """Of the phase under way: the first stamp, the last answer."""
        self.puts = 0
        """Since the run began."""
        self.failed: list[int] = []
        self._context = context
        self._write = write
        self._under_way: set[int] = set()
        self._limit = 0
        self._end_s = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._finished = asyncio.Event()
        self._phase_puts = self._phase_failed = 0

    async def run(self, readers: int) -> None:
        """Warm-up and what is measured, as phases.py has it."""
        context, plan = self._context, self._context.plan
        await wait_readers(context, readers)
        if plan.warm_up_s:
            await self._write_phase(0, plan.warm_up_s)
            tell_written(context, Written(self.puts, self.failed, False))
            await wait_readers(context, readers)
        await self._write_phase(0 if plan.duration_s else plan.put_total, plan.duration_s)
        tell_written(context, Written(self.puts, self.failed, True))

    def share(self) -> dict[str, Any]:
        """Of the last phase: see figures.py."""
        puts = self.puts - self._phase_puts - (len(self.failed) - self._phase_failed)
        return {"puts": puts, "first_put_ns": self.first_put_ns, "last_put_ns": self.last_put_ns}

    async def _write_phase(self, total: int, seconds: float) -> None:
        """`total` puts; 0: as many as go into `seconds`."""
        context, plan = self._context, self._context.plan
        self._phase_puts, self._phase_failed = self.puts, len(self.failed)
        self._limit = self.puts + total if total else 2**63
        self._end_s = context.now() + seconds if not total else float("inf")
        self.first_put_ns = self.last_put_ns = 0
        self._finished.clear()
        if plan.put_rate:
            self._send_due(context.now_ns(), self.puts)
        else:
            for _ in range(plan.clients):
                self._call()
        await self._until_answered()
        if self._timer is not None:
            self._timer.cancel()
        for number in sorted(self._under_way):
            self._fail(number, "no answer before the end of the run")
        self._under_way.clear()

    def _is_over(self) -> bool:
        context = self._context
        return self.puts >= self._limit or context.stop.is_set() or context.now() >= self._end_s

    def _call(self) -> None:
        """A caller of the closed loop: one put after the other."""
        if self._is_over():
            self._check_finished()
        else:
            self._send(self._context.now_ns(), self._call)

    def _send_due(self, start_ns: int, first: int) -> None:
        """The open loop: everything that is due, then a pause."""
        context, rate = self._context, self._context.plan.put_rate
        while not self._is_over():
            due_ns = start_ns + int((self.puts - first) / rate * 1e9)
            pause_s = (due_ns - context.now_ns()) / 1e9
            if pause_s > 0:
                pause_s = min(max(pause_s, MIN_PAUSE_S), max(self._end_s - context.now(), MIN_PAUSE_S))
                self._timer = asyncio.get_running_loop().call_later(pause_s, self._send_due, start_ns, first)
                return
            if len(self._under_way) < MAX_UNDER_WAY:
                self._send(due_ns, self._check_finished)
            else:
                self._fail(self.puts, NOT_SENT)
                self.puts += 1
        self._check_finished()

    def _send(self, stamp_ns: int, following: Callable[[], None]) -> None:
        number = self.puts
        self.puts += 1
        self.first_put_ns = self.first_put_ns or stamp_ns
        self._under_way.add(number)
        self._write(number, stamp_ns, partial(self._done, number, following))

    def _done(self, number: int, following: Callable[[], None], error: str | None) -> None:
        if number not in self._under_way:  # it was given up
            return
        self._under_way.remove(number)
        if error is None:
            self.last_put_ns = self._context.now_ns()
            following()
        else:
            self._fail(number, error)
            asyncio.get_running_loop().call_soon(following)  # not at once: what fails at once would nest

    def _fail(self, number: int, text: str) -> None:
        self.failed.append(number)
        self._context.recorder.fail(text)

    def _check_finished(self) -> None:
        if not self._under_way and self._is_over():
            self._finished.set()

    async def _until_answered(self) -> None:
        """Until the last put is answered, the run is stopped, or one is not answered within timeout_s."""
        context, timeout_s = self._context, self._context.plan.timeout_s
        finishing = asyncio.ensure_future(self._finished.wait())
        stopping = asyncio.ensure_future(context.stop.wait())
        try:
            while not finishing.done() and not stopping.done():
                asked = set(self._under_way)
                await asyncio.wait((finishing, stopping), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if not finishing.done() and not stopping.done() and asked & self._under_way:
                    context.interrupt(f"no answer for {timeout_s:g} s")
                    break
            if self._under_way:
                await asyncio.wait((finishing,), timeout=STOPPED_S)
        finally:
            finishing.cancel()
            stopping.cancel()
