"""When requests are sent: by callers who wait for their answer, or at times that nobody's slowness can move.

    closed loop   N callers, each with one request under way; the next follows the answer. Latency is the answer's.
    open loop     request i is due at start + i / rate. Latency counts from when it was DUE, not from when it could be sent: a
                  server that stalls for a second is seen by every request of that second (no coordinated omission).

Neither makes a task or a future for a request. Both count into a Recorder and end when `limit` operations are counted, when
`stop` is called, or when the last link is lost (`on_dead`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from kvcluster.load.links import Link
from kvcluster.load.recorder import Recorder
from kvcluster.wire import Outcome

Source = Callable[[int], tuple[str, bytes]]
"""caller → (method path, request bytes) of its next request."""
Check = Callable[[int, bytes], str | None]
"""(caller, answer) → what is wrong with it; None: nothing."""

MAX_IN_FLIGHT = 100_000
"""Of an open loop: what is due beyond it is not sent, and counted as an error."""
NOT_SENT = f"not sent: {MAX_IN_FLIGHT} requests wait for an answer"
MIN_PAUSE_S = 0.001
"""What a timer can do. An open loop sends what is due meanwhile together; its latencies contain that wait."""


class Later(Protocol):
    """The part of an event loop that an open loop needs."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> object: ...


class Arrivals:
    """What both have in common: when it ends."""

    def __init__(self, links: Sequence[Link], source: Source, recorder: Recorder, check: Check | None) -> None:
        self.links = list(links)
        self.source = source
        self.recorder = recorder
        self.check = check
        self.answered = 0
        """Since the last `begin`: answers, good or bad."""
        self.limit = 0
        self.is_stopped = False
        self.finished = asyncio.Event()
        self.on_dead: Callable[[str], object] = lambda text: None
        for link in self.links:
            link.on_lost = partial(self._lose, link)

    def begin(self, limit: int) -> None:
        """From now on it counts: the warm-up is over. limit: 0 = none."""
        self.answered = 0
        self.limit = limit

    def stop(self) -> None:
        """Nothing more is sent."""
        self.is_stopped = True
        self.finished.set()

    def count_answer(self, caller: int, begun: float, now: float, outcome: Outcome, sent_bytes: int) -> None:
        """Books one answer. Kept in one piece: it runs for every request."""
        if self.is_stopped:
            return
        recorder = self.recorder
        if outcome[0]:
            recorder.fail(f"{outcome.text or 'no text'} (code {outcome.code})")
        else:
            wrong = self.check(caller, outcome[2]) if self.check is not None else None
            if wrong is not None:
                recorder.fail(wrong)
            else:
                counts = recorder.counts
                latency_us = int((now - begun) * 1e6)
                counts[latency_us] = counts.get(latency_us, 0) + 1
                recorder.moved_bytes += sent_bytes + len(outcome[2])
        self.answered += 1
        if self.answered == self.limit:
            self.stop()

    def _lose(self, link: Link, text: str) -> None:
        self.links.remove(link)
        if not self.links and not self.is_stopped:
            self.stop()
            self.on_dead(text)


class ClosedLoop(Arrivals):
    """`clients` callers, spread over the links."""

    def __init__(
        self,
        links: Sequence[Link],
        source: Source,
        recorder: Recorder,
        *,
        clients: int,
        now: Callable[[], float],
        check: Check | None = None,
    ) -> None:
        super().__init__(links, source, recorder, check)
        self._clients = clients
        self._now = now

    def start(self) -> None:
        for caller in range(self._clients):
            self._start_caller(caller, self.links[caller % len(self.links)])

    def _start_caller(self, caller: int, link: Link) -> None:
        now, source, call_unary, count_answer = self._now, self.source, link.connection.call_unary, self.count_answer
        begun, sent_bytes = 0.0, 0

        def done(outcome: Outcome) -> None:
            count_answer(caller, begun, now(), outcome, sent_bytes)
            if link.lost is None and not self.is_stopped and outcome.was_sent:
                send()

        def send() -> None:
            nonlocal begun, sent_bytes
            path, payload = source(caller)
            sent_bytes = len(payload)
            begun = now()
            call_unary(path, payload, done)

        send()


class OpenLoop(Arrivals):
    """`rate` requests a second, whatever the answers do; over the links in turn."""

    def __init__(
        self,
        links: Sequence[Link],
        source: Source,
        recorder: Recorder,
        *,
        rate: float,
        now: Callable[[], float],
        later: Later,
        check: Check | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        super().__init__(links, source, recorder, check)
        self._rate = rate
        self._now = now
        self._later = later
        self._max_in_flight = max_in_flight
        self._started = 0.0
        self._sent = 0
        self._in_flight = 0

    def start(self) -> None:
        self._started = self._now()
        self._send_due()

    def _send_due(self) -> None:
        if self.is_stopped:
            return
        while not self.is_stopped:
            due = self._started + self._sent / self._rate
            pause_s = due - self._now()
            if pause_s > 0:
                self._later.call_later(max(pause_s, MIN_PAUSE_S), self._send_due)
                return
            self._send(due)

    def _send(self, due: float) -> None:
        number = self._sent
        self._sent += 1
        if self._in_flight >= self._max_in_flight:
            self.recorder.fail(NOT_SENT)
            return
        path, payload = self.source(number)
        self._in_flight += 1
        link = self.links[number % len(self.links)]
        link.connection.call_unary(path, payload, partial(self._done, number, due, len(payload)))

    def _done(self, number: int, due: float, sent_bytes: int, outcome: Outcome) -> None:
        self._in_flight -= 1
        self.count_answer(number, due, self._now(), outcome, sent_bytes)
