"""`kvcluster bench` as people and scripts meet it: real processes against a real server, files, exit codes, one clear line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kvcluster import Cluster
from kvcluster.cli.bench import WORKLOADS
from kvcluster.load import WORKLOADS as KNOWN
from kvcluster.load import Plan

WAIT_S = 60.0
SMALL = ("--total", "300", "--clients", "4", "--conns", "2", "--warm-up", "0", "--no-progress")


class Output(NamedTuple):
    code: int
    out: str
    err: str


async def run_bench(*arguments: str) -> Output:
    process = await start_bench(*arguments)
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    return Output(process.returncode or 0, out.decode(), err.decode())


async def start_bench(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kvcluster", "bench", *arguments,
        env={"PATH": os.environ["PATH"], "TERM": "dumb", "COLUMNS": "200"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with Cluster(members=1) as cluster:
        yield await cluster.listen()


async def test_a_run_writes_what_was_asked_for(url: str, tmp_path: Path):
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "csv", "html", "png")}
    flags = [text for kind, path in files.items() for text in (f"--{kind}", str(path))]
    done = await run_bench("put", "--endpoints", url, *SMALL, *flags, "--server-pid", str(os.getpid()))
    assert done.code == 0 and done.err == ""
    assert "Puts/sec:" in done.out and "Latency distribution:" in done.out and f"Server {os.getpid()}:" in done.out
    result = json.loads(files["json"].read_text())
    assert result["operations"] == 300 and result["plan"]["endpoints"] == [url]
    assert files["csv"].read_text().startswith("workload,s,ops")
    assert "<svg" in files["html"].read_text() and files["png"].read_bytes().startswith(b"\x89PNG")
    again = await run_bench("compare", str(files["json"]), str(files["json"]))
    assert again.code == 0 and again.out.splitlines()[1].split()[-2:] == ["1.00", "same"]


async def test_progress_without_a_terminal_is_lines(url: str):
    process = await start_bench("put", "--endpoints", url, "--duration", "600")
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_S):
        lines = [(await process.stderr.readline()).decode() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert all("done" in line and "/s" in line and "errors" in line for line in lines)
    assert process.returncode == 1
    assert out.decode().startswith("INTERRUPTED: stopped by the user")


async def test_fail_if(url: str):
    done = await run_bench(
        "range", "--endpoints", url, *SMALL, "--fail-if", "errors > 0", "--fail-if", "throughput > 1"
    )
    assert done.code == 1
    assert "kvcluster: throughput > 1: it is" in done.err and "errors" not in done.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("put", "--conns", "0"), "conns must be at least 1, not 0"),
        (("put", "--fail-if", "speed > 3"), "there is no figure 'speed'"),
        (("put", "--json", "/no/such/folder/r.json"), "there is no folder"),
        (("mixed", "--read-ratio", "7"), "read_ratio must be from 0 to 1"),
        (("put", "--endpoints", ","), "endpoints must name at least one server"),
        (("compare", "no.json", "no.json"), "no.json: No such file or directory"),
    ],
)
async def test_what_cannot_be_run_is_one_line_and_exit_code_2(arguments: tuple[str, ...], text: str):
    done = await run_bench(*arguments)
    assert done.code == 2 and text in done.err and len(done.err.splitlines()) == 1


async def test_a_server_that_is_not_there_is_one_line_and_exit_code_1():
    done = await run_bench("put", "--endpoints", "127.0.0.1:1", "--no-progress")
    assert (done.code, done.err) == (1, "kvcluster: http://127.0.0.1:1: Connection refused\n")


def test_every_workload_has_its_flags():
    """And every flag is a field of the plan, with the plan's default."""
    assert sorted(WORKLOADS) == sorted(KNOWN)
    for workload, (_, fields) in WORKLOADS.items():
        plan = Plan(workload=workload)
        for name, (_, default, _) in fields.items():
            value = ",".join(plan.endpoints) if name == "endpoints" else getattr(plan, name)
            assert value == default, (workload, name)
