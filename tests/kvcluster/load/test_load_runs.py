"""Whole runs over real sockets: workers in processes of their own, against our server and a real etcd."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kvcluster import Cluster
from kvcluster.load import LoadError, Plan, Progress, run_plan
from kvcluster.load.workers import receive_in_thread

SMALL = Plan(
    workload="put", conns=2, clients=4, total=400, warm_up_s=0.0, key_space_size=50, val_size=32, timeout_s=20.0
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with Cluster(members=1) as cluster:
        yield await cluster.listen()


@pytest.mark.parametrize(
    ("unit", "plan"),
    [
        ("puts", SMALL),
        ("puts", replace(SMALL, sequential_keys=True, workers=2, total=401)),
        ("puts", replace(SMALL, rate=2000.0, warm_up_s=0.05)),
        ("ranges", replace(SMALL, workload="range")),
        ("ranges", replace(SMALL, workload="range", consistency="s", range_keys=10, range_limit=5)),
        ("txns", replace(SMALL, workload="txn")),
        ("txns", replace(SMALL, workload="txn", mode="cas")),
        ("requests", replace(SMALL, workload="mixed")),
        ("keep-alives", replace(SMALL, workload="lease", leases=5)),
    ],
)
async def test_a_run_counts_what_it_did(url: str, unit: str, plan: Plan):
    result = (await run_plan(replace(plan, endpoints=[url], server_pids=[os.getpid()]))).to_json()
    assert result["error_texts"] == {} and result["interrupted"] is None
    assert result["unit"] == unit and result["operations"] == plan.total
    assert result["throughput"] == pytest.approx(plan.total / result["duration_s"], rel=1e-3)
    latency = result["latency_ms"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99.9"] <= latency["max"]
    assert sum(row["ops"] for row in result["timeline"]) == plan.total
    assert result["generator"]["workers"] == plan.workers and result["generator"]["cpu_s"] > 0
    (server,) = result["servers"]
    assert server["pid"] == os.getpid() and server["rss_mb"] > 1
    assert Plan.from_dict(result["plan"]).workload == plan.workload


async def test_the_warm_up_does_not_use_up_the_total():
    """It did: a fast server had made all of a small total before the warm-up was over, and that was then what was measured."""
    async with Cluster(members=1) as cluster:
        plan = replace(SMALL, endpoints=[await cluster.listen()], total=20, warm_up_s=0.3)
        result = await run_plan(plan)
        made = (await cluster.client().get(b"x")).revision - 1
    assert result.operations == 20
    assert made > 20 + 2 * SMALL.clients, "the puts of the warm-up come on top"


async def test_keys_are_those_of_the_plan():
    async with Cluster(members=1) as cluster:
        plan = replace(
            SMALL, endpoints=[await cluster.listen()], sequential_keys=True, total=50, key_size=12, clients=1
        )
        await run_plan(plan)
        found = await cluster.client().range(b"\0", b"\0")
    assert [kv.key for kv in found.kvs] == [b"bench/%06d" % number for number in range(50)]
    assert {len(kv.value) for kv in found.kvs} == {32}


async def test_leases_are_given_back():
    async with Cluster(members=1) as cluster:
        await run_plan(replace(SMALL, endpoints=[await cluster.listen()], workload="lease", leases=7))
        assert await cluster.client().leases() == []


async def test_a_real_etcd(etcd_url: str):
    for workload in ("put", "range", "txn", "mixed", "lease"):
        result = await run_plan(replace(SMALL, endpoints=[etcd_url], workload=workload, prefix="load/"))
        assert result.errors == 0 and result.operations == SMALL.total, workload


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: Connection refused"),
        ("https://127.0.0.1:1", "https://127.0.0.1:1: Connection refused"),
        ("ftp://x", "only http://host:port"),
    ],
)
async def test_a_wrong_endpoint_is_told_at_once(endpoint: str, text: str):
    with pytest.raises(LoadError, match=text):
        await run_plan(replace(SMALL, endpoints=[endpoint]))
    assert not multiprocessing.active_children()


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[str]:
    """A server that says one thing to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak gRPC"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS, which is not supported yet"),
    ],
)
async def test_a_server_of_another_kind_is_told_apart(data: bytes, text: str):
    """HTTP/1.1, and the alert with which a TLS server answers plain text."""
    async with answering(data) as endpoint:
        with pytest.raises(LoadError, match=text):
            await run_plan(replace(SMALL, endpoints=[endpoint]))


async def test_a_server_that_dies_leaves_what_was_measured():
    async with Cluster(members=1) as cluster:
        plan = replace(SMALL, endpoints=[await cluster.listen()], total=0, duration_s=60.0)
        running = asyncio.ensure_future(run_plan(plan))
        store = cluster.client()
        while (await store.range(b"\0", b"\0", count_only=True)).count < 50:  # noqa: ASYNC110 - written by another process
            await asyncio.sleep(0)
    result = await running
    assert result.interrupted is not None and "connection lost" in result.interrupted
    assert result.operations > 0 and result.latency_ms["p99"] > 0


async def test_a_run_that_is_stopped_leaves_what_was_measured(url: str):
    seen = asyncio.Event()

    def on_progress(progress: Progress) -> None:
        if progress.operations:
            seen.set()

    plan = replace(SMALL, endpoints=[url], total=0, duration_s=600.0)
    running = asyncio.ensure_future(run_plan(plan, on_progress))
    await seen.wait()
    running.cancel()
    result = await running
    assert result.interrupted == "stopped by the user" and result.operations > 0
    assert not multiprocessing.active_children()


async def test_a_worker_that_dies_is_noticed(url: str):
    seen = asyncio.Event()
    plan = replace(SMALL, endpoints=[url], total=0, duration_s=600.0, workers=2)
    running = asyncio.ensure_future(run_plan(plan, lambda progress: seen.set()))
    await seen.wait()
    multiprocessing.active_children()[0].kill()
    result = await running
    assert result.interrupted is not None and "a worker of the load tester ended" in result.interrupted
    assert result.generator["workers"] == 1 and result.operations > 0


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """It takes the connection and is silent: the clock of the greeting is the only one that ends it."""
    from kvcluster.client import parse_endpoints
    from kvcluster.load import links

    monkeypatch.setattr(links, "CONNECT_TIMEOUT_S", 0.01)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (endpoint,) = parse_endpoints(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(LoadError, match="does not answer within"):
            await links.open_link(endpoint)


async def test_a_share_may_be_larger_than_a_pipe_holds():
    """A reader of 500 watchers handed in a share of some hundred kilobytes; the half of it that came first was taken for the
    end of its worker."""
    ours, theirs = multiprocessing.Pipe()
    taken: asyncio.Queue[object] = asyncio.Queue()
    receive_in_thread(ours, lambda kind, data: taken.put_nowait((kind, data)), lambda: taken.put_nowait("lost"))
    share = {"spreads": [list(range(1000))] * 1000}
    sending = asyncio.get_running_loop().run_in_executor(None, theirs.send, ("share", share))
    assert await taken.get() == ("share", share)
    await sending
    theirs.close()
    assert await taken.get() == "lost"
