"""The informers of one worker: each lists, watches from the list's resourceVersion on, and watches again where a watch ends.

    list ─▶ watch ─▶ lines … ─▶ the server ends it (they all do after some minutes) ─▶ watch from the last version seen
                        └─ the connection breaks: the run is interrupted

A version that is gone (410) is not listed again: what was between is lost, and counted as that.
"""

from __future__ import annotations

import asyncio
from typing import Any

from kvcluster.load.kube.api import PROBLEMS, Api, unreachable
from kvcluster.load.kube.lines import bookmark_of, make_receiver, parse_line
from kvcluster.load.kube.objects import collection_path
from kvcluster.load.links import LoadError
from kvcluster.load.watching import BatchMemo, Deliveries, Watchers, Written, follow, share_of
from kvcluster.load.workloads import Context


class Informers:
    """Informers number `numbers` of the run."""

    def __init__(self, context: Context, numbers: range) -> None:
        plan = context.plan
        self.deliveries = Deliveries(context.recorder, context.now_ns)
        since_ns = context.now_ns()
        self.memo = BatchMemo(lambda line: self.deliveries.enter(parse_line(line, since_ns)))
        self._context = context
        self._numbers = numbers
        self._path = collection_path(plan.resource, plan.namespace)
        self._watchers = Watchers(len(numbers), lambda number: lambda key: True)
        self._versions = [""] * (len(numbers) + 1)
        """Of each informer's list or last bookmark; a later event's is in _watchers."""
        self._tasks: list[asyncio.Task[None]] = []
        self._api: Api | None = None
        self._written: Written | None = None
        self._before = Written(0, (), False)

    async def prepare(self) -> None:
        """Returns when all watch. Raises LoadError."""
        api = self._api = Api(self._context.plan)
        for number in range(1, len(self._numbers) + 1):
            listed = await api.request("GET", self._path, server=self._server(number))
            self._versions[number] = str(listed.get("metadata", {}).get("resourceVersion", ""))
            if not self._versions[number].isdigit():
                raise LoadError(f"{self._path}: the list has no resourceVersion")
            response = await api.open_watch(self._watch_path(number), server=self._server(number))
            self._tasks.append(asyncio.create_task(self._watch(api, number, response)))

    def _server(self, number: int) -> int:
        return self._numbers[number - 1]

    def _watch_path(self, number: int) -> str:
        version = max(int(self._versions[number]), self._watchers.lasts[number])
        return f"{self._path}?watch=1&allowWatchBookmarks=true&resourceVersion={version}"

    async def _watch(self, api: Api, number: int, response: Any) -> None:
        receive = self._receiver(number)
        try:
            while True:
                is_empty = True
                async for data in response.content.iter_any():
                    receive(data)
                    is_empty = False
                if is_empty:
                    raise LoadError(f"the server ended the watch at once: GET {self._watch_path(number)}")
                receive = self._receiver(number)
                response = await api.open_watch(self._watch_path(number), server=self._server(number))
        except LoadError as error:
            self._context.interrupt(str(error))
        except PROBLEMS as error:
            self._context.interrupt(f"a watch broke off: {unreachable(str(response.url.origin()), error)}")
        finally:
            response.close()

    def _receiver(self, number: int) -> Any:
        def on_other(line: bytes) -> None:
            try:
                self._versions[number] = bookmark_of(line)
            except ValueError as error:
                self._context.recorder.fail(f"a watch said: {error}")

        return make_receiver(self.memo, self.deliveries, self._watchers, number, on_other)

    async def run(self) -> None:
        self._written = await follow(self._context, self.deliveries, self._missing, self._reset)

    def _reset(self, written: Written) -> None:
        self._before = written
        self._context.recorder.begin()
        self.deliveries.begin()

    def _missing(self, written: Written) -> int:
        expected = written.puts - len(written.failed)
        return sum(max(expected - count, 0) for count in self._watchers.counts[1:])

    def share(self) -> dict[str, Any]:
        """See watching/figures.py. Each informer is a stream of its own."""
        written, before, events = self._written, self._before, self.deliveries.events
        size = len(self._numbers)
        expected = events
        if written is not None:
            expected = size * (written.puts - len(written.failed) - before.puts + len(before.failed))
        return {
            **share_of(self.deliveries),
            "watchers": size,
            "streams": size,
            "expected": expected,
            "lost": 0 if written is None else self._missing(written),
        }

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._api is not None:
            await self._api.close()
