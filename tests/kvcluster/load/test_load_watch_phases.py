"""Writer and readers of a run, without sockets: how they agree on warm-up and end, and what failures do to the account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from kvcluster.load import Plan
from kvcluster.load.recorder import Recorder
from kvcluster.load.watching import Batch, Deliveries, Done, Watchers, Writer, Written, follow, share_of
from kvcluster.load.workloads import Context

PLAN = Plan(workload="watch", clients=3, put_total=20, warm_up_s=0.0, timeout_s=0.2)


class Run:
    """One writer and `readers` readers in one loop; write(number, stamp_ns) says what becomes of a put: an error, or None."""

    def __init__(self, plan: Plan, readers: int = 1, write: Callable[[int, Done], object] | None = None) -> None:
        self.contexts = [
            Context(plan, index, readers + 1, Recorder(), self._teller(index)) for index in range(readers + 1)
        ]
        self.deliveries = [Deliveries(context.recorder, context.now_ns) for context in self.contexts[:-1]]
        self.watchers = [Watchers(1, lambda number: lambda key: True) for _ in range(readers)]
        self.losing: set[int] = set()
        """Puts that the first reader never hears of."""
        self.numbers: list[int] = []
        self.stamps: list[int] = []
        self.resets: list[Written] = []
        self._answer = write or (lambda number, done: done(None))
        self.writer = Writer(self.contexts[-1], self._write)

    def _teller(self, index: int) -> Callable[[object], None]:
        def tell(data: object) -> None:
            for context in self.contexts:
                if context.index != index:
                    context.heard.put_nowait(data)

        return tell

    def _write(self, number: int, stamp_ns: int, done: Done) -> None:
        self.numbers.append(number)
        self.stamps.append(stamp_ns)

        def answered(error: str | None) -> None:
            if error is None:
                for reader, deliveries in enumerate(self.deliveries):
                    if reader or number not in self.losing:
                        batch = deliveries.enter(Batch((number + 2,), (b"",), (stamp_ns,)))
                        assert batch is not None
                        deliveries.deliver(self.watchers[reader], 1, batch)
                        deliveries.end_turn()
            done(error)

        asyncio.get_running_loop().call_soon(self._answer, number, answered)

    def missing(self, reader: int, written: Written) -> int:
        return written.puts - len(written.failed) - self.watchers[reader].counts[1]

    def reset(self, reader: int, written: Written) -> None:
        self.resets.append(written)
        self.contexts[reader].recorder.begin()
        self.deliveries[reader].begin()

    async def run(self) -> list[Written | None]:
        following = [
            follow(
                self.contexts[reader],
                self.deliveries[reader],
                lambda written, reader=reader: self.missing(reader, written),
                lambda written, reader=reader: self.reset(reader, written),
            )
            for reader in range(len(self.deliveries))
        ]
        written = await asyncio.gather(*following, self.writer.run(len(self.deliveries)))
        return list(written[:-1])


async def test_exactly_the_puts_of_the_plan_are_made():
    run = Run(PLAN, readers=2)
    assert await run.run() == [Written(20, [], True)] * 2
    assert run.numbers == list(range(20))
    assert [share_of(deliveries)["delivered"] for deliveries in run.deliveries] == [20, 20]
    share = run.writer.share()
    assert share["puts"] == 20 and share["first_put_ns"] == run.stamps[0] <= share["last_put_ns"]


async def test_the_warm_up_is_over_when_all_have_seen_it():
    run = Run(replace(PLAN, warm_up_s=0.01), readers=2)
    (first, second) = await run.run()
    assert first == second and first is not None
    warm_up = run.resets[0].puts
    assert run.resets == [Written(warm_up, [], False)] * 2 and first.puts == warm_up + 20
    assert run.numbers == list(range(warm_up + 20))
    assert [deliveries.events for deliveries in run.deliveries] == [20, 20]
    assert run.writer.share()["puts"] == 20
    assert run.writer.share()["first_put_ns"] == run.stamps[warm_up]


async def test_what_never_comes_is_lost():
    run = Run(PLAN)
    run.losing = {3, 19}
    (written,) = await run.run()
    assert written is not None and run.missing(0, written) == 2


async def test_puts_that_fail_are_not_expected():
    run = Run(PLAN, write=lambda number, done: done("no space" if number in (3, 4) else None))
    assert await run.run() == [Written(20, [3, 4], True)]
    assert run.contexts[-1].recorder.error_texts == {"no space": 2}
    assert run.writer.share()["puts"] == 18


async def test_a_put_that_is_never_answered_ends_the_run():
    run = Run(replace(PLAN, timeout_s=0.05), write=lambda number, done: number == 5 or done(None))
    (written,) = await run.run()
    assert run.contexts[-1].interrupted == "no answer for 0.05 s"
    assert written is not None and 5 in written.failed and run.missing(0, written) == 0


async def test_a_stopped_run_says_how_far_it_came():
    run = Run(replace(PLAN, put_total=10**9))

    def answer(number: int, done: Done) -> None:
        if number == 30:
            for context in run.contexts:
                context.stop.set()
        done(None)

    run._answer = answer
    (written,) = await run.run()
    assert written is not None and written.is_last and 31 <= written.puts <= 34
    assert run.missing(0, written) == 0


async def test_a_reader_that_is_gone_does_not_hold_the_writer():
    run = Run(replace(PLAN, warm_up_s=0.01), readers=2)
    run.contexts[0].interrupt("connection lost")
    gone, written = await run.run()
    assert gone is None or not gone.is_last or gone == written
    assert written is not None and written.is_last


async def test_an_open_loop_stamps_when_it_was_due():
    run = Run(replace(PLAN, put_rate=10_000.0, put_total=50))
    await run.run()
    steps = {later - earlier for earlier, later in pairs(run.stamps)}
    assert run.numbers == list(range(50)) and steps == {100_000}


async def test_an_open_loop_lasts_as_long_as_it_should():
    run = Run(replace(PLAN, put_rate=1000.0, duration_s=0.03, warm_up_s=0.02))
    (written,) = await run.run()
    assert written is not None
    measured = run.stamps[run.resets[0].puts :]
    assert 0 < len(measured) <= 31, "the warm-up's timer is not at work any more"
    assert {later - earlier for earlier, later in pairs(measured)} <= {1_000_000}


def pairs(values: list[int]) -> Iterator[tuple[int, int]]:
    return zip(values, values[1:], strict=False)
