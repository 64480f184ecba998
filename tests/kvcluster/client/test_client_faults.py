"""The remote client when the network misbehaves: cut, silent and wrong endpoints; slow readers; members without a leader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from kvcluster import Cluster, connect, errors
from kvcluster.client import Client, RemoteClient, Watcher, WatchQueue, parse_endpoints, prefix_end

Key = Callable[[str], bytes]
WAIT_S = 30.0


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(WAIT_S):
        yield


class Proxy:
    """Between a client and a server: forwards, cuts, or swallows what the client says."""

    def __init__(self, target: str) -> None:
        self._target = parse_endpoints(target)[0]
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self.is_swallowing = False
        self.connections = 0
        self.swallowed = asyncio.Event()
        self.connected = asyncio.Event()
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [writer, back]
        self.connected.set()
        self._tasks += [
            asyncio.ensure_future(self._pump(reader, back, from_client=True)),
            asyncio.ensure_future(self._pump(there, writer, from_client=False)),
        ]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        try:
            while data := await reader.read(65536):
                if from_client and self.is_swallowing:
                    self.swallowed.set()
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    def cut(self) -> None:
        """Resets every connection; new ones are taken."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(target: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@pytest.fixture
async def proxy(etcd_url: str, remote: Client) -> AsyncIterator[Proxy]:
    """In front of the real etcd, which is ready."""
    async with proxy_to(etcd_url) as proxy:
        yield proxy


async def take_values(watcher: Watcher, count: int) -> list[int]:
    values: list[int] = []
    while len(values) < count:
        values += [int(event.kv.value) for event in (await anext(watcher)).events]
    return values


# -- lost connections -----------------------------------------------------------------------------------------------


async def test_a_watch_survives_cut_after_cut(remote: Client, proxy: Proxy, key: Key):
    async with await connect(proxy.url) as client:
        watcher = await client.watch(key(""), prefix_end(key("")))

        async def write_and_cut() -> None:
            for number in range(400):
                await remote.put(key(str(number % 5)), b"%d" % number)
                if number % 50 == 0:
                    await proxy.connected.wait()  # the client is back from the last cut
                    proxy.connected.clear()
                    proxy.cut()

        writing = asyncio.ensure_future(write_and_cut())
        assert await take_values(watcher, 400) == list(range(400)), "nothing lost, nothing twice, in order"
        await writing
    assert proxy.connections >= 8


async def test_a_watch_from_now_is_from_then_after_a_cut(remote: Client, proxy: Proxy, key: Key):
    """The first thing it sees is what came after its creation, even if the stream broke before any event."""
    async with await connect(proxy.url) as client:
        watcher = await client.watch(key("a"))
        proxy.is_swallowing = True
        proxy.cut()
        await remote.put(key("a"), b"1")
        proxy.is_swallowing = False
        proxy.cut()
        assert await take_values(watcher, 1) == [1]


async def test_reads_are_repeated_after_a_cut(proxy: Proxy, key: Key):
    async with await connect(proxy.url) as client:
        await client.put(key("a"), b"1")
        for _ in range(10):
            reading = asyncio.ensure_future(client.get(key("a")))
            await asyncio.sleep(0)
            proxy.cut()
            found = await reading
            assert found.kv is not None and found.kv.value == b"1"


async def test_a_write_that_may_have_happened_is_not_repeated(proxy: Proxy, key: Key):
    async with await connect(proxy.url) as client:
        await client.put(key("a"), b"1")
        proxy.is_swallowing = True
        writing = asyncio.ensure_future(client.put(key("a"), b"2"))
        await proxy.swallowed.wait()
        proxy.cut()
        with pytest.raises(errors.ConnectionLostError) as lost:
            await writing
        assert lost.value.maybe_done and isinstance(lost.value, ConnectionError)
        proxy.is_swallowing = False
        found = await client.get(key("a"))
        assert found.kv is not None and found.kv.version == 1


async def test_a_silent_server_ends_a_call_with_a_timeout(proxy: Proxy, key: Key):
    client = await connect(proxy.url, timeout_s=0.3)
    async with client:
        proxy.is_swallowing = True
        with pytest.raises(TimeoutError):
            await client.get(key("a"))
        with pytest.raises(TimeoutError):
            await client.put(key("a"), b"1")
        with pytest.raises(TimeoutError):
            await client.watch(key("a"))


async def test_a_silent_server_is_pinged_and_given_up(
    proxy: Proxy, remote: Client, key: Key, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kvcluster.client.channel.BEAT_S", 0.05)
    async with await connect(proxy.url) as client:
        watcher = await client.watch(key("a"))
        proxy.is_swallowing = True
        before = proxy.connections
        while proxy.connections == before:  # the watch gives the silent connection up and makes another
            await remote.put(key("other"), b"")
        proxy.is_swallowing = False
        proxy.cut()
        await remote.put(key("a"), b"1")
        assert await take_values(watcher, 1) == [1]


async def test_an_idle_watch_is_not_given_up(proxy: Proxy, remote: Client, key: Key, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("kvcluster.client.channel.BEAT_S", 0.05)
    async with await connect(proxy.url) as client:
        watcher = await client.watch(key("a"))
        before = proxy.connections
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watcher), 0.5)
        await remote.put(key("a"), b"1")
        assert await take_values(watcher, 1) == [1] and proxy.connections == before


# -- endpoints ------------------------------------------------------------------------------------------------------


async def test_nobody_listens():
    with pytest.raises(errors.ConnectionLostError, match="http://127.0.0.1:1: .*refused"):
        await connect("http://127.0.0.1:1", timeout_s=0.3)


async def test_who_listens_does_not_speak_grpc():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        with pytest.raises(errors.ConnectionLostError, match="not gRPC"):
            await connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.3)


async def test_a_dead_endpoint_is_passed_over(etcd_url: str, key: Key):
    async with await connect(["http://127.0.0.1:1", etcd_url]) as client:
        await client.put(key("a"), b"1")
        assert (await client.get(key("a"))).kv is not None


async def test_a_read_leaves_a_silent_endpoint(proxy: Proxy, etcd_url: str, key: Key):
    async with await connect([proxy.url, etcd_url], timeout_s=2.0) as client:
        await client.put(key("a"), b"1")
        proxy.is_swallowing = True
        found = await client.get(key("a"))
        assert found.kv is not None and found.kv.value == b"1"


async def test_a_client_waits_for_a_server_that_is_about_to_start(etcd_url: str, key: Key):
    proxy = Proxy(etcd_url)
    await proxy.start()
    url = proxy.url
    await proxy.stop()
    connecting = asyncio.ensure_future(connect(url))
    await asyncio.sleep(0)
    late = Proxy(etcd_url)
    late._server = await asyncio.start_server(late._serve, "127.0.0.1", parse_endpoints(url)[0].port)
    try:
        async with await connecting as client:
            await client.put(key("a"), b"1")
    finally:
        await late.stop()


# -- slow readers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvcluster.client.watch.WatchQueue", partial(WatchQueue, max_batches=8))
    monkeypatch.setattr("kvcluster.embedded.WatchQueue", partial(WatchQueue, max_batches=8))


async def test_a_slow_reader_loses_nothing_and_holds_up_nobody(small_queues: None, client: Client, key: Key):
    slow = await client.watch(key("a"))
    quick = await client.watch(key("a"))
    reading = asyncio.ensure_future(take_values(quick, 200))
    for number in range(200):
        await client.put(key("a"), b"%d" % number)
    assert await reading == list(range(200)), "its neighbour on the same stream is not held up"
    assert await take_values(slow, 200) == list(range(200))
    await client.put(key("a"), b"200")
    assert await take_values(slow, 1) == [200]
    await slow.close()
    await quick.close()


async def test_a_slow_reader_that_is_overtaken_by_compaction_is_told(small_queues: None, client: Client, key: Key):
    slow = await client.watch(key("a"))
    other = await client.watch(key("a"))
    reading = asyncio.ensure_future(take_values(other, 100))
    for number in range(100):
        put = await client.put(key("a"), b"%d" % number)
    await reading
    await client.compact(put.revision, physical=True)
    values: list[int] = []
    with pytest.raises(errors.CompactedError):
        while True:
            values += [int(event.kv.value) for event in (await anext(slow)).events]
    assert values == list(range(len(values))) and len(values) >= 8, "first what it had, in order, then the error"
    await other.close()


# -- members that cannot serve --------------------------------------------------------------------------------------


async def test_a_watch_leaves_a_member_without_a_leader():
    async with Cluster(members=3) as cluster:
        urls = [await cluster.listen(member) for member in range(3)]
        alone = (await cluster.wait_leader() + 1) % 3
        rest = [member for member in range(3) if member != alone]
        async with await connect([urls[alone], *(urls[member] for member in rest)]) as client:
            watcher = await client.watch(b"a")
            await client.put(b"a", b"1")
            cluster.partition([alone], rest)
            await cluster.client().put(b"a", b"2")
            assert await take_values(watcher, 2) == [1, 2]


async def test_a_message_that_is_not_of_this_protocol(monkeypatch: pytest.MonkeyPatch):
    """It ends the stream, which is then resumed; other calls of the connection go on."""
    async with Cluster() as cluster, await connect(await cluster.listen()) as client:
        watcher = await client.watch(b"a")
        broken = [1]

        def decode(events: object, original: Callable[..., object]) -> object:
            if broken:
                raise ValueError(f"garbage {broken.pop()}")
            return original(events)

        from kvcluster.client import codec

        monkeypatch.setattr("kvcluster.client.watch.decode_events", partial(decode, original=codec.decode_events))
        await client.put(b"a", b"1")
        assert await take_values(watcher, 1) == [1]
        assert isinstance(client, RemoteClient)
