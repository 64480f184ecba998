"""The client of the benchmarks: kvcluster's own wire client, closed loop, the same for every server.

Callbacks only, no task per request, so that one process drives a server as hard as Python can; where the client is the
limit both servers meet the same one, and the server's CPU per operation tells them apart.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple, cast

from benchmarks.pairs import Measured
from kvcluster import pb
from kvcluster.wire import ClientConnection, Outcome

VALUE_BYTES = 256
TIMEOUT_S = 120.0


class Link(asyncio.Protocol):
    """One connection; everything of a loop turn goes out in one write."""

    def __init__(self) -> None:
        self.connection = ClientConnection(on_output=self._wake)
        self._transport: asyncio.Transport | None = None
        self._is_scheduled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.connection.receive(data)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.connection.lost("connection lost")

    def _wake(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        output = self.connection.take_output()
        if output and self._transport is not None:
            self._transport.write(b"".join(output))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def open_links(endpoint: str, count: int) -> list[Link]:
    host, _, port = endpoint.rpartition(":")
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Link, host, int(port)))[1] for _ in range(count)]


async def run_closed_loop(
    endpoint: str,
    path: str,
    make_request: Callable[[int], bytes],
    *,
    total: int,
    warm_up: int,
    clients: int,
    connections: int,
) -> Measured:
    """`clients` callers on `connections`, each with one request under way, `total` requests after `warm_up`."""
    links = await open_links(endpoint, connections)
    requests = [make_request(number) for number in range(min(total, 20_000))]
    await _run(links, path, requests, warm_up, clients)
    latencies: list[float] = []
    started = time.perf_counter()
    await _run(links, path, requests, total, clients, latencies)
    seconds = time.perf_counter() - started
    for link in links:
        link.close()
    return Measured(total, seconds, latencies)


async def _run(
    links: list[Link], path: str, requests: list[bytes], total: int, clients: int, latencies: list[float] | None = None
) -> None:
    finished = asyncio.get_running_loop().create_future()
    counts = {"sent": 0, "done": 0}
    now = time.perf_counter

    def call(link: Link) -> None:
        number = counts["sent"]
        if number >= total:
            return
        counts["sent"] = number + 1
        begun = now()

        def done(outcome: Outcome) -> None:
            if outcome.code:
                if not finished.done():
                    finished.set_exception(RuntimeError(f"{path}: {outcome.code} {outcome.text}"))
                return
            if latencies is not None:
                latencies.append(now() - begun)
            counts["done"] += 1
            if counts["done"] == total:
                if not finished.done():
                    finished.set_result(None)
            else:
                call(link)

        link.connection.call_unary(path, requests[number % len(requests)], done)

    for client in range(clients):
        call(links[client % len(links)])
    await asyncio.wait_for(finished, TIMEOUT_S)


def put_request(number: int, keys: int = 1000) -> bytes:
    key = b"bench/%08d" % (number % keys)
    return pb.PutRequest(key=key, value=b"x" * VALUE_BYTES).SerializeToString()


async def put_all(endpoint: str, requests: list[bytes], clients: int = 32) -> None:
    """Puts each once, as preparation."""
    links = await open_links(endpoint, 1)
    await _run(links, "/etcdserverpb.KV/Put", requests, len(requests), clients)
    for link in links:
        link.close()


class WatchJob(NamedTuple):
    """A worker's share: `streams` streams of `watchers` each on `connections`, until `expected` events have come."""

    endpoint: str
    connections: int
    streams: int
    watchers: int
    expected: int


async def _watch(job: WatchJob, pipe: Connection) -> None:
    """Says "ready" when every watcher is confirmed, and the time when the last event came."""
    links = await open_links(job.endpoint, job.connections)
    loop = asyncio.get_running_loop()
    ready, finished = loop.create_future(), loop.create_future()
    counts = {"created": 0, "events": 0}
    parse = pb.WatchResponse.FromString

    def on_message(payload: bytes) -> None:
        response = parse(payload)
        if response.created:
            counts["created"] += 1
            if counts["created"] == job.streams * job.watchers:
                ready.set_result(None)
            return
        counts["events"] += len(response.events)
        if counts["events"] == job.expected:
            finished.set_result(time.perf_counter())

    def on_end(outcome: Outcome) -> None:
        if not finished.done():
            finished.set_exception(RuntimeError(f"watch ended: {outcome.code} {outcome.text}"))

    create = pb.WatchCreateRequest(key=b"bench/", range_end=b"bench0")
    request = pb.WatchRequest(create_request=create).SerializeToString()
    for number in range(job.streams):
        link = links[number % job.connections]
        stream = link.connection.open_stream("/etcdserverpb.Watch/Watch", on_message, on_end)
        for _ in range(job.watchers):
            stream.send(request)
    await asyncio.wait_for(ready, TIMEOUT_S)
    pipe.send("ready")
    pipe.send(await asyncio.wait_for(finished, TIMEOUT_S))
    for link in links:
        link.close()


def _watch_worker(job: WatchJob, pipe: Connection) -> None:
    try:
        asyncio.run(_watch(job, pipe))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


async def run_watch(
    endpoint: str, *, streams: int, watchers_per_stream: int, puts: int, connections: int, workers: int = 2
) -> Measured:
    """Watchers of one prefix, in `workers` processes, so that the client is not the limit; a writer with 8 callers here.

    Units are events; the time ends when every watcher has every event. perf_counter is one clock for all processes on Linux.
    """
    context = multiprocessing.get_context("spawn")
    share = streams // workers
    job = WatchJob(endpoint, connections // workers, share, watchers_per_stream, share * watchers_per_stream * puts)
    pipes, processes = [], []
    for _ in range(workers):
        ours, theirs = context.Pipe()
        process = context.Process(target=_watch_worker, args=(job, theirs))
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            said = await asyncio.to_thread(pipe.recv)
            if said != "ready":
                raise RuntimeError(said)
        writer = await open_links(endpoint, 1)
        latencies: list[float] = []
        started = time.perf_counter()
        await _run(writer, "/etcdserverpb.KV/Put", [put_request(n) for n in range(puts)], puts, 8, latencies)
        ends = [await asyncio.to_thread(pipe.recv) for pipe in pipes]
        for link in writer:
            link.close()
    finally:
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()
    errors = [end for end in ends if isinstance(end, str)]
    if errors:
        raise RuntimeError(errors[0])
    return Measured(job.expected * workers, max(ends) - started, latencies)
