"""The watchers of one worker: its streams on its connections, and what came to them.

A watch id is chosen here (etcd 3.4 and later): the watcher's number within its stream, from 1, so that the id of a response is
the place in `Watchers`. Numbers across all workers decide what is watched (selection.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from kvcluster import pb
from kvcluster.load.links import Link, LoadError, open_links
from kvcluster.load.watching.batch import BatchMemo
from kvcluster.load.watching.deliveries import Deliveries, Watchers
from kvcluster.load.watching.figures import share_of
from kvcluster.load.watching.payload import batch_of, make_receiver, parse_body
from kvcluster.load.watching.phases import Written, follow
from kvcluster.load.watching.selection import Selection
from kvcluster.load.workloads import Context
from kvcluster.wire import Outcome

WATCH = "/etcdserverpb.Watch/Watch"


class Reader:
    """Streams number `streams` (of the whole run), each with `per_stream` watchers, on `conns` connections."""

    def __init__(
        self, context: Context, selection: Selection, *, streams: range, per_stream: int, conns: int, offset: int = 0
    ) -> None:
        self.deliveries = Deliveries(context.recorder, context.now_ns)
        self._memo = BatchMemo(lambda body: self.deliveries.enter(parse_body(body)))
        self._context = context
        self._selection = selection
        self._streams = streams
        self._per_stream = per_stream
        self._conns = conns
        self._offset = offset
        self._links: list[Link] = []
        self._watchers: list[Watchers] = []
        self._created = 0
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._written: Written | None = None
        self._before = Written(0, (), False)
        """What the warm-up wrote."""

    async def prepare(self) -> None:
        """Returns when every watcher is confirmed. Raises LoadError."""
        plan = self._context.plan
        self._links = await open_links(plan.endpoints, self._conns, offset=self._offset)
        for link in self._links:
            link.after_read = self.deliveries.end_turn
            link.on_lost = self._lose
        for place, stream in enumerate(self._streams):
            self._open_stream(self._links[place % self._conns], stream)
        try:
            async with asyncio.timeout(max(plan.timeout_s, len(self._streams) * self._per_stream / 1000)):
                await self._ready
        except TimeoutError:
            wanted = len(self._streams) * self._per_stream
            raise LoadError(f"{self._created} of {wanted} watchers were confirmed in time") from None

    def _open_stream(self, link: Link, stream: int) -> None:
        plan, first = self._context.plan, stream * self._per_stream
        watchers = Watchers(self._per_stream, lambda number: self._selection.selects(first + number - 1))
        self._watchers.append(watchers)

        def on_other(payload: bytes) -> None:
            self._take_other(watchers, payload)

        on_message = make_receiver(self._memo, self.deliveries, watchers, on_other)
        call = link.connection.open_stream(WATCH, on_message, self._end)
        for number in range(1, self._per_stream + 1):
            key, range_end = self._selection.watch(first + number - 1)
            create = pb.WatchCreateRequest(
                key=key, range_end=range_end, watch_id=number, prev_kv=plan.prev_kv,
                progress_notify=plan.progress_notify,
            )  # fmt: skip
            call.send(pb.WatchRequest(create_request=create).SerializeToString())

    def _take_other(self, watchers: Watchers, payload: bytes) -> None:
        """What the hot path does not know: confirmations, cancellations, progress, events of an unusual shape."""
        response = pb.WatchResponse.FromString(payload)
        if response.canceled:
            reason = response.cancel_reason or f"compacted at {response.compact_revision}"
            self._complain(f"a watcher was cancelled: {reason}")
        elif response.created:
            self._created += 1
            if self._created == len(self._streams) * self._per_stream and not self._ready.done():
                self._ready.set_result(None)
        elif response.events:
            if 0 < response.watch_id < len(watchers.lasts):
                batch = self.deliveries.enter(batch_of(response, len(payload)))
                if batch is not None:
                    self.deliveries.deliver(watchers, response.watch_id, batch)
            else:
                self._context.recorder.fail(f"events for watcher {response.watch_id}, which nobody asked for")

    def _complain(self, text: str) -> None:
        """Before the run begins it cannot begin; later it is an error of the run."""
        if self._ready.done():
            self._context.recorder.fail(text)
        else:
            self._ready.set_exception(LoadError(text))

    def _end(self, outcome: Outcome) -> None:
        self._stop(f"a watch stream ended: {outcome.text} (code {outcome.code})")

    def _lose(self, text: str) -> None:
        self._stop(text)

    def _stop(self, text: str) -> None:
        if self._ready.done():
            self._context.interrupt(text)
        else:
            self._ready.set_exception(LoadError(text))

    async def run(self) -> None:
        self._written = await follow(self._context, self.deliveries, self._missing, self._reset)

    def _reset(self, written: Written) -> None:
        self._before = written
        self._context.recorder.begin()
        self.deliveries.begin()

    def _missing(self, written: Written) -> int:
        """Events that watchers should have and have not."""
        expect = self._selection.expected(written.puts, written.failed)
        missing = 0
        for stream, watchers in zip(self._streams, self._watchers, strict=True):
            first = stream * self._per_stream - 1
            for number in range(1, self._per_stream + 1):
                missing += max(expect(first + number) - watchers.counts[number], 0)
        return missing

    def _expected(self, written: Written) -> int:
        expect = self._selection.expected(written.puts, written.failed)
        first = self._streams.start * self._per_stream
        return sum(expect(first + number) for number in range(len(self._streams) * self._per_stream))

    def share(self) -> dict[str, Any]:
        """See figures.py. What a run that broke off should have delivered is not known: it is what came."""
        written, events = self._written, self.deliveries.events
        return {
            **share_of(self.deliveries),
            "watchers": len(self._streams) * self._per_stream,
            "streams": len(self._streams),
            "expected": events if written is None else self._expected(written) - self._expected(self._before),
            "lost": 0 if written is None else self._missing(written),
        }

    def close(self) -> None:
        for link in self._links:
            link.close()
