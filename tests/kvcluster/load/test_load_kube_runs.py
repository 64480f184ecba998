"""kube-watch: the API server's watch under load. Lines by hand first, then whole runs against our API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from apiserver.cluster import LocalCluster
from kvcluster.load import LoadError, Plan, Progress, run_plan
from kvcluster.load.kube.lines import bookmark_of, make_receiver, parse_line
from kvcluster.load.kube.objects import STAMP, verb_of
from kvcluster.load.recorder import Recorder
from kvcluster.load.watching import BatchMemo, Deliveries, Watchers, stamp_text

SMALL = Plan(
    workload="kube-watch", clients=3, informers=5, workers=2, objects=4, put_total=40, val_size=20, warm_up_s=0.0,
    timeout_s=20.0,
)  # fmt: skip
MS = 1_000_000


def line(kind: str, revision: int, written_ns: int | None = 0) -> bytes:
    annotations = {} if written_ns is None else {STAMP: stamp_text(written_ns, 1)}
    metadata = {"name": "x", "resourceVersion": str(revision), "annotations": annotations}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


class Account:
    """Three informers in one process; `others`: lines that are no events."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.deliveries = Deliveries(self.recorder, lambda: 9 * MS)
        self.memo = BatchMemo(lambda body: self.deliveries.enter(parse_line(body, MS)))
        self.watchers = Watchers(3, lambda number: lambda key: True)
        self.others: list[bytes] = []
        self.informers = [
            make_receiver(self.memo, self.deliveries, self.watchers, number, self.others.append) for number in (1, 2, 3)
        ]


def test_a_line_is_parsed_once_for_all_informers_however_it_is_cut():
    account = Account()
    data = line("ADDED", 5, 4 * MS) + line("MODIFIED", 6, 5 * MS) + line("DELETED", 7, 5 * MS)
    for size, receive in zip((1, 7, len(data)), account.informers, strict=True):
        for at in range(0, len(data), size):
            receive(data[at : at + size])
    assert account.memo.parses == 3
    assert account.watchers.counts[1:] == [3, 3, 3]
    assert account.deliveries.events == 9
    assert account.recorder.counts == {5000: 3, 4000: 3}, "a deletion has no latency"


def test_a_pod_that_is_marked_for_deletion_is_not_one_write_more():
    metadata = {"name": "x", "resourceVersion": "6", "annotations": {STAMP: stamp_text(5 * MS, 1)}}
    marked = {"type": "MODIFIED", "object": {"metadata": {**metadata, "deletionTimestamp": "2026-01-02T03:04:05Z"}}}
    batch = parse_line(json.dumps(marked).encode(), MS)
    assert batch is not None
    assert batch.count == 0


def test_lines_out_of_order_and_twice_are_seen():
    account = Account()
    for revision in (5, 7, 6, 6, 8):
        account.informers[0](line("MODIFIED", revision, 4 * MS))
    assert (account.deliveries.duplicates, account.deliveries.out_of_order) == (1, 1)
    assert account.watchers.counts[1] == 4


def test_objects_of_others_and_of_earlier_runs_are_not_counted():
    account = Account()
    account.informers[0](line("ADDED", 5, None) + line("DELETED", 6, MS - 1) + line("ADDED", 7, 4 * MS))
    assert account.watchers.counts[1] == account.deliveries.events == 1
    assert account.others == []


def test_what_is_no_event_is_handed_over():
    account = Account()
    gone = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}).encode()
    lines = [line("BOOKMARK", 12), gone + b"\n", b"garbage\n", b'{"type": []}\n', b"[]\n"]
    account.informers[0](b"".join(lines))
    assert [each + b"\n" for each in account.others] == lines
    assert bookmark_of(account.others[0]) == "12"
    for other, text in zip(account.others[1:], ("too old", "garbage", "not an event", "not an event"), strict=True):
        with pytest.raises(ValueError, match=text):
            bookmark_of(other)


def test_objects_live_through_cycles():
    verbs = [verb_of(put, 2) for put in range(10)]
    assert verbs == ["create"] * 2 + ["update"] * 4 + ["delete"] * 2 + ["create"] * 2


# -- whole runs --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with LocalCluster(nodes=0, controllers=None, scheduler=None) as cluster:
        yield cluster.url


async def check(plan: Plan) -> None:
    result = (await run_plan(plan)).to_json()
    assert result["interrupted"] is None and result["error_texts"] == {}
    watch = result["watch"]
    assert watch["puts"] == plan.put_total
    assert watch["delivered"] == watch["expected"] == plan.put_total * plan.informers == result["operations"]
    assert watch["lost"] == watch["duplicates"] == watch["out_of_order"] == 0
    assert watch["watchers"] == watch["fan_out"] == plan.informers
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["max"]


@pytest.mark.parametrize("resource", ["configmaps", "secrets", "leases", "pods"])
async def test_every_informer_sees_every_write(url: str, resource: str):
    await check(replace(SMALL, endpoints=[url], resource=resource))


async def test_a_second_run_begins_afresh(url: str):
    plan = replace(SMALL, endpoints=[url], put_total=9)  # ends with objects that are there
    await check(plan)
    await check(replace(plan, put_rate=500.0, warm_up_s=0.1))


async def test_a_server_that_dies_leaves_a_result_of_what_came_until_then():
    async with LocalCluster(nodes=0, controllers=None, scheduler=None) as cluster:
        dying: list[asyncio.Task[None]] = []

        def on_progress(progress: Progress) -> None:
            if progress.operations and not dying:
                dying.append(asyncio.ensure_future(cluster.stop()))

        result = await run_plan(replace(SMALL, endpoints=[cluster.url], duration_s=60.0), on_progress)
        await dying[0]
    assert result.interrupted is not None
    assert result.watch is not None and result.watch["delivered"] > 0
    assert result.watch["duplicates"] == result.watch["out_of_order"] == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"endpoints": ["127.0.0.1:1"]}, "http://127.0.0.1:1: Connect"),
        ({"resource": "nonsense"}, "resource must be one of configmaps, secrets, leases, pods"),
        ({"token_file": "/nowhere/token"}, "token_file or ca_file: .*No such file"),
    ],
)
async def test_what_cannot_begin_says_why(change: dict[str, object], text: str):
    with pytest.raises(LoadError, match=text):
        await run_plan(replace(SMALL, **{"workers": 1, **change}))


async def test_a_server_that_asks_for_a_token_gets_it(tmp_path: Path):
    """A server of one page: it refuses who has no token, and says what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.json_response({"kind": "Status", "message": "Unauthorized"}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        (tmp_path / "token").write_text("secret\n")
        plan = replace(SMALL, endpoints=[f"http://{host}:{port}"], token_file=str(tmp_path / "token"))
        with pytest.raises(LoadError, match="401 Unauthorized"):
            await run_plan(plan)
    finally:
        await runner.cleanup()
    assert set(asked) == {"Bearer secret"}
