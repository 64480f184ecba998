"""watch: one writer, many watchers: streams × watch_per_stream of them, over plan.workers processes; the writer has its own.

The writer's value begins with the time of writing (watching/stamp.py). Every delivery is checked and its latency counted; the
"watch" block of the result is watching/figures.py's.
"""

from __future__ import annotations

from typing import Any

from kvcluster import pb
from kvcluster.load.links import Link, open_links
from kvcluster.load.plan import Plan
from kvcluster.load.watching import Done, Reader, Selection, Writer, merge, stamp_value
from kvcluster.load.workloads import Context, Workload
from kvcluster.wire import Outcome

PUT = "/etcdserverpb.KV/Put"

__all__ = ["make", "make_side", "merge", "processes"]


def processes(plan: Plan) -> int:
    """The readers, no more than there are streams, and the writer: the last one."""
    return min(plan.workers, plan.streams) + 1


def part(amount: int, parts: int, index: int) -> range:
    """The numbers below `amount` that are part `index`'s."""
    return range(index * amount // parts, (index + 1) * amount // parts)


def make(context: Context) -> Workload:
    plan = context.plan
    width = plan.key_size - len(plan.prefix)
    selection = Selection(plan.prefix.encode(), plan.watched, plan.watched_keys, width)
    return make_side(context, selection, plan.watch_per_stream)


def make_side(context: Context, selection: Selection, per_stream: int) -> Workload:
    """What this process is: a reader, or the writer."""
    plan, readers = context.plan, context.processes - 1
    if context.index == readers:
        return WriterWorkload(context, selection, readers)
    conns = part(plan.conns, readers, context.index)
    reader = Reader(
        context, selection, streams=part(plan.streams, readers, context.index), per_stream=per_stream,
        conns=max(len(conns), 1), offset=conns.start,
    )  # fmt: skip
    return ReaderWorkload(reader)


class ReaderWorkload:
    unit = "events"
    is_timed = False

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def prepare(self) -> None:
        await self._reader.prepare()

    def begin(self) -> None:
        """The warm-up is the writer's: watching/phases.py."""

    async def run(self) -> None:
        await self._reader.run()

    def extra(self) -> dict[str, Any]:
        return self._reader.share()

    async def close(self) -> None:
        self._reader.close()


class WriterWorkload:
    unit = "events"
    is_timed = False

    def __init__(self, context: Context, selection: Selection, readers: int) -> None:
        self._context = context
        self._selection = selection
        self._readers = readers
        self._writer = Writer(context, self._put)
        self._links: list[Link] = []

    async def prepare(self) -> None:
        self._links = await open_links(self._context.plan.endpoints, 1)
        for link in self._links:
            link.on_lost = self._context.interrupt

    def begin(self) -> None:
        """The warm-up is the writer's own."""

    async def run(self) -> None:
        await self._writer.run(self._readers)

    def _put(self, number: int, stamp_ns: int, done: Done) -> None:
        value = stamp_value(stamp_ns, number, self._context.plan.val_size)
        request = pb.PutRequest(key=self._selection.key(number), value=value).SerializeToString()

        def answer(outcome: Outcome) -> None:
            done(f"{outcome.text or 'no text'} (code {outcome.code})" if outcome.code else None)

        self._links[0].connection.call_unary(PUT, request, answer)

    def extra(self) -> dict[str, Any]:
        return self._writer.share()

    async def close(self) -> None:
        for link in self._links:
            link.close()
