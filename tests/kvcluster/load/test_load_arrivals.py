"""When requests are sent, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvcluster.load.arrivals import NOT_SENT, ClosedLoop, OpenLoop
from kvcluster.load.recorder import Recorder
from kvcluster.wire import Outcome

ANSWER = Outcome(0, "", b"answer")


class FakeTime:
    """A clock and the timers on it."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> None:
        self.timers.append((self.now_s + delay_s, callback))

    def pass_until(self, when_s: float) -> None:
        while due := [timer for timer in self.timers if timer[0] <= when_s]:
            timer = min(due, key=lambda each: each[0])
            self.timers.remove(timer)
            self.now_s = max(self.now_s, timer[0])
            timer[1]()
        self.now_s = when_s


class FakeLink:
    """Remembers calls; the test answers them."""

    def __init__(self) -> None:
        self.connection = self
        self.lost: str | None = None
        self.on_lost: Callable[[str], object] | None = None
        self.calls: list[tuple[float, bytes, Callable[[Outcome], object]]] = []
        self.clock: Callable[[], float] = lambda: 0.0

    def call_unary(self, path: str, payload: bytes, done: Callable[[Outcome], object]) -> None:
        self.calls.append((self.clock(), payload, done))

    def answer(self, outcome: Outcome = ANSWER) -> None:
        self.calls.pop(0)[2](outcome)

    def lose(self, text: str) -> None:
        self.lost = text
        calls, self.calls = self.calls, []
        for _, _, done in calls:
            done(Outcome(14, text))
        assert self.on_lost is not None
        self.on_lost(text)


def source(caller: int) -> tuple[str, bytes]:
    return "/kv/Put", b"%d" % caller


def make_closed(time: FakeTime, links: list[FakeLink], **options: Any) -> tuple[ClosedLoop, Recorder]:
    recorder = Recorder()
    loop = ClosedLoop(links, source, recorder, now=time, **options)  # type: ignore[arg-type]
    loop.start()
    return loop, recorder


async def test_each_caller_waits_for_its_answer():
    time, links = FakeTime(), [FakeLink(), FakeLink()]
    loop, recorder = make_closed(time, links, clients=5)
    assert [len(link.calls) for link in links] == [3, 2]
    time.now_s += 0.002
    links[0].answer()
    assert [len(link.calls) for link in links] == [3, 2], "the answered one has asked again"
    assert recorder.counts == {2000: 1} or recorder.counts == {1999: 1}
    assert recorder.moved_bytes == len(b"0") + len(b"answer")


async def test_it_ends_with_the_last_operation_that_counts():
    time, links = FakeTime(), [FakeLink()]
    loop, recorder = make_closed(time, links, clients=4)
    for _ in range(10):
        links[0].answer()
    recorder.begin()
    loop.begin(limit=7)
    for _ in range(7):
        links[0].answer()
    assert loop.finished.is_set()
    links[0].answer()
    assert sum(recorder.counts.values()) == 7, "what comes after the end does not count"


async def test_errors_are_counted_and_callers_go_on():
    time, links = FakeTime(), [FakeLink()]
    _, recorder = make_closed(time, links, clients=1, check=lambda caller, payload: "short" if payload == b"" else None)
    links[0].answer(Outcome(8, "too many requests"))
    links[0].answer(Outcome(0, "", b""))
    links[0].answer()
    assert recorder.error_texts == {"too many requests (code 8)": 1, "short": 1}
    assert sum(recorder.counts.values()) == 1 and len(links[0].calls) == 1


async def test_a_lost_link_is_survived_and_the_last_one_is_the_end():
    time, links = FakeTime(), [FakeLink(), FakeLink()]
    loop, recorder = make_closed(time, links, clients=2)
    dead: list[str] = []
    loop.on_dead = dead.append
    first, second = links
    first.lose("gone")
    assert not dead and not loop.finished.is_set() and len(second.calls) == 1
    second.lose("gone too")
    assert dead == ["gone too"] and loop.finished.is_set()
    assert recorder.errors == 2


def make_open(time: FakeTime, link: FakeLink, **options: Any) -> tuple[OpenLoop, Recorder]:
    recorder = Recorder()
    link.clock = time
    loop = OpenLoop([link], source, recorder, now=time, later=time, **options)  # type: ignore[list-item]
    loop.start()
    return loop, recorder


async def test_an_open_loop_sends_when_it_is_due():
    time, link = FakeTime(), FakeLink()
    make_open(time, link, rate=10.0)
    time.pass_until(101.05)
    assert len(link.calls) == 11
    assert all(abs(sent - (100 + number / 10)) < 0.002 for number, (sent, _, _) in enumerate(link.calls))


async def test_a_stall_is_seen_by_every_request_that_was_due_in_it():
    """No coordinated omission: nothing is answered for a second, and the hundred requests of that second say so."""
    time, link = FakeTime(), FakeLink()
    _, recorder = make_open(time, link, rate=100.0)
    time.pass_until(101.0)
    while link.calls:
        link.answer()
    waits_ms = sorted(us // 1000 for us in recorder.counts for _ in range(recorder.counts[us]))
    assert len(waits_ms) >= 100
    assert waits_ms[-1] >= 999 and sum(waits_ms) / len(waits_ms) > 450


async def test_a_late_generator_counts_from_when_it_was_due():
    """The timer came half a second late: what was due meanwhile is sent at once, and has waited."""
    time, link = FakeTime(), FakeLink()
    _, recorder = make_open(time, link, rate=10.0)
    time.now_s = 100.5
    time.timers[0][1]()
    assert len(link.calls) == 6
    while link.calls:
        link.answer()
    assert sorted(round(us / 1e5) for us in recorder.counts) == [0, 1, 2, 3, 4, 5]


async def test_what_cannot_be_sent_is_an_error_and_not_forgotten():
    time, link = FakeTime(), FakeLink()
    _, recorder = make_open(time, link, rate=1000.0, max_in_flight=10)
    time.pass_until(100.1)
    assert len(link.calls) == 10
    assert recorder.error_texts[NOT_SENT] >= 85
