"""Whole watch runs over real sockets, against our server and a real etcd: everything written is seen by everybody, once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from kvcluster import Cluster
from kvcluster.load import LoadError, Plan, Progress, run_plan

SMALL = Plan(
    workload="watch", conns=2, clients=4, streams=3, watch_per_stream=5, put_total=60, watched_keys=6, warm_up_s=0.0,
    val_size=32, workers=2, timeout_s=20.0,
)  # fmt: skip

DELIVERIES = {
    "prefix": 15 * 60,
    "key": 15 * 10,  # six keys, written ten times each
    "overlapping": 10 * sum(min(3, 6 - watcher % 6) for watcher in range(15)),
}


async def check(url: str, plan: Plan, delivered: int) -> None:
    result = (await run_plan(replace(plan, endpoints=[url]))).to_json()
    assert result["interrupted"] is None and result["error_texts"] == {}
    watch = result["watch"]
    assert watch["delivered"] == watch["expected"] == delivered == result["operations"]
    assert watch["lost"] == watch["duplicates"] == watch["out_of_order"] == 0
    assert watch["puts"] == plan.put_total
    assert watch["fan_out"] == pytest.approx(delivered / plan.put_total)
    assert watch["events_per_response"] >= 1
    assert 0 < result["latency_ms"]["min"] <= result["latency_ms"]["p50"] <= result["latency_ms"]["max"]
    assert sum(row["ops"] for row in result["timeline"]) == delivered
    assert result["throughput"] == pytest.approx(delivered / watch["delivering_s"], rel=1e-3)


@pytest.mark.parametrize("watched", ["prefix", "key", "overlapping"])
async def test_every_watcher_sees_what_it_watches(watched: str):
    async with Cluster(members=1) as cluster:
        await check(await cluster.listen(), replace(SMALL, watched=watched), DELIVERIES[watched])


async def test_members_share_the_watchers():
    async with Cluster(members=3) as cluster:
        urls = [await cluster.listen(member=member) for member in range(3)]
        plan = replace(SMALL, endpoints=urls, conns=3)
        result = await run_plan(plan)
    assert result.watch is not None and result.errors == 0
    assert result.watch["delivered"] == result.watch["expected"] == DELIVERIES["prefix"]


@pytest.mark.parametrize("watched", ["prefix", "key", "overlapping"])
async def test_a_real_etcd_delivers_the_same(etcd_url: str, watched: str):
    await check(etcd_url, replace(SMALL, watched=watched, prefix=f"watch-{watched}/"), DELIVERIES[watched])


async def test_latency_is_that_of_one_key_with_one_watcher_a_stream(etcd_url: str):
    plan = replace(SMALL, workload="watch-latency", clients=1, put_total=20, put_rate=1000.0)
    async with Cluster(members=1) as cluster:
        await check(await cluster.listen(), plan, 3 * 20)
    await check(etcd_url, replace(plan, put_rate=0.0), 3 * 20)


async def test_what_the_warm_up_wrote_is_not_measured(etcd_url: str):
    plan = replace(SMALL, warm_up_s=0.05, prefix="warm/", progress_notify=True, prev_kv=True)
    await check(etcd_url, plan, DELIVERIES["prefix"])


async def test_a_duration_ends_the_writing_instead_of_a_number():
    async with Cluster(members=1) as cluster:
        result = await run_plan(replace(SMALL, endpoints=[await cluster.listen()], duration_s=0.1, put_rate=500.0))
    assert result.watch is not None
    assert 0 < result.watch["puts"] <= 51
    assert result.watch["delivered"] == result.watch["expected"] == 15 * result.watch["puts"]


# -- what goes wrong ---------------------------------------------------------------------------------------------------


async def test_a_server_that_dies_leaves_a_result_of_what_came_until_then():
    async with Cluster(members=1) as cluster:
        plan = replace(SMALL, endpoints=[await cluster.listen()], duration_s=60.0)
        dying: list[asyncio.Task[None]] = []

        def on_progress(progress: Progress) -> None:
            if progress.operations and not dying:
                dying.append(asyncio.ensure_future(cluster.stop_member(0)))

        result = await run_plan(plan, on_progress)
        await dying[0]
    assert result.interrupted is not None
    assert result.watch is not None and result.watch["delivered"] > 0
    assert result.watch["duplicates"] == result.watch["out_of_order"] == 0


async def test_a_run_that_is_stopped_is_complete_as_far_as_it_went():
    async with Cluster(members=1) as cluster:
        running: asyncio.Task[object] | None = None

        def on_progress(progress: Progress) -> None:
            if progress.operations and running is not None:
                running.cancel()

        plan = replace(SMALL, endpoints=[await cluster.listen()], duration_s=60.0)
        running = task = asyncio.ensure_future(run_plan(plan, on_progress))
        result = await task
    assert result.interrupted == "stopped by the user"
    assert result.watch is not None and result.watch["lost"] == 0
    assert result.watch["delivered"] >= result.watch["expected"] > 0


async def test_a_run_against_nobody_does_not_begin():
    with pytest.raises(LoadError, match="Connection refused"):
        await run_plan(replace(SMALL, endpoints=["127.0.0.1:1"]))
