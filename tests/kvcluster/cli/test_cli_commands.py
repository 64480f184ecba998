"""The `kvcluster` command, as people and scripts meet it: real processes, exit codes, one clear line for each error."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from kvcluster.cluster import is_alive

WAIT_S = 60.0


class Output(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Output]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TERM": "dumb",
    }


@pytest.fixture
def kvcluster(environment: dict[str, str]) -> Command:
    def run(*arguments: str) -> Output:
        done = subprocess.run(
            [sys.executable, "-m", "kvcluster", *arguments],
            env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        return Output(done.returncode, done.stdout, done.stderr)

    return run


@contextmanager
def serving(environment: dict[str, str], *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `kvcluster serve` on a random port and its URL; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kvcluster", "serve", "--listen-client-urls", "http://127.0.0.1:0", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving on http://127.0.0.1:"), process.communicate()[1]
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


# -- up, status, down -----------------------------------------------------------------------------------------------


def test_up_status_down(kvcluster: Command, tmp_path: Path):
    up = kvcluster("up", "--base-port", "0")
    assert up.code == 0, up.err
    try:
        urls = re.findall(r"export ETCDCTL_ENDPOINTS=(.*)", up.out)[0].split(",")
        assert len(urls) == 3
        members = json.loads(kvcluster("status", "--json").out)
        assert [member["url"] for member in members] == urls
        assert [member["name"] for member in members] == ["m1", "m2", "m3"]
        assert all(member["alive"] and not member["error"] for member in members)
        assert {member["leader"] for member in members} == {m["id"] for m in members if m["is_leader"]}
        assert set(members[0]) == {
            *("name", "pid", "url", "alive", "id", "is_leader", "leader", "term"),
            *("index", "revision", "db_size_bytes", "error"),
        }
        table = kvcluster("status")
        assert table.code == 0
        for member in members:
            assert str(member["pid"]) in table.out and member["url"] in table.out and member["id"] in table.out

        second = kvcluster("up", "--base-port", "0")
        assert second.code == 1
        assert re.fullmatch(r"kvcluster: a cluster is running already \(m1 pid .*\); end it with: .*\n", second.err)

        os.kill(members[0]["pid"], signal.SIGKILL)
        hurt = kvcluster("status", "--json")
        assert hurt.code == 1 and json.loads(hurt.out)[0]["alive"] is False
    finally:
        down = kvcluster("down")
    assert (down.code, down.out) == (0, "ended 2 members\n")
    assert not any(is_alive(member["pid"], "") for member in members), "no process is left"
    assert not list((tmp_path / "state").rglob("*.*")), "and no file"
    gone = kvcluster("status")
    assert gone.code == 1 and "no cluster is running" in gone.err and "kvcluster up" in gone.err
    assert kvcluster("down").code == 1


def test_a_state_folder_of_ones_own_and_one_member(kvcluster: Command, tmp_path: Path):
    folder = str(tmp_path / "here")
    up = kvcluster("up", "--replicas", "1", "--port", "0", "--state-dir", folder, "--json")
    try:
        (member,) = json.loads(up.out)
        assert member["is_leader"] and member["alive"]
        assert kvcluster("status").code == 1, "the usual folder has none"
    finally:
        assert kvcluster("down", "--state-dir", folder).code == 0
    assert not (tmp_path / "here").exists()


def test_an_interrupted_up_leaves_nothing(environment: dict[str, str], tmp_path: Path):
    up = subprocess.Popen(
        [sys.executable, "-m", "kvcluster", "up", "--base-port", "0"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    state = tmp_path / "state/kvcluster/cluster.json"
    members: list[dict[str, object]] = []
    while not members and up.poll() is None:
        try:
            members = json.loads(state.read_text())["members"]
        except (OSError, ValueError):
            continue
    up.terminate()
    up.communicate(timeout=WAIT_S)
    assert not any(is_alive(int(str(member["pid"])), str(member["started"])) for member in members)
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--replicas", "0"], "--replicas"),
        (["up", "--base-port", "40000"], "base port 40000: with 3 members it must be from 1 to 35534, or 0"),
        (["up", "--colour"], "No such option: --colour"),
        (["sideways"], "No such command 'sideways'"),
    ],
)
def test_usage_errors(kvcluster: Command, arguments: list[str], said: str):
    output = kvcluster(*arguments)
    assert output.code == 2 and said in output.err and "Traceback" not in output.err


# -- serve ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data-dir", "/tmp/x"], "--data-dir: storage on disk does not exist yet"),
        (["--listen-client-urls", "https://127.0.0.1:0"], "needs --cert-file and --key-file, or --auto-tls"),
        (["--listen-client-urls", "127.0.0.1:2379"], "--listen-client-urls"),
        (["--listen-client-urls", ""], "--listen-client-urls: at least one URL is needed"),
        (["--initial-cluster", "m1"], "--initial-cluster"),
        (["--initial-cluster", "m1=http://127.0.0.1:2380"], 'no member of this server\'s --name "default"'),
        (["--initial-cluster-state", "existing"], "--initial-cluster-state"),
        (["--heartbeat-interval", "1000", "--election-timeout", "1000"], "--election-timeout"),
        (["--election-timeout", "soon"], "--election-timeout"),
        (["--max-txn-ops", "0"], "--max-txn-ops"),
        (["--transport", "carrier-pigeon"], "--transport"),
        (["--log-level", "loud"], "--log-level"),
        (["--watch-progress-notify-interval", "often"], "--watch-progress-notify-interval"),
        (["--auto-compaction-mode", "revision", "--auto-compaction-retention", "1h"], "--auto-compaction-retention"),
        (["--cert-file", "x"], "--cert-file"),
    ],
)
def test_flags_that_cannot_be_used(kvcluster: Command, arguments: list[str], said: str):
    output = kvcluster("serve", *arguments)
    assert output.code == 2 and said in output.err and "Traceback" not in output.err


def test_a_port_in_use(kvcluster: Command, environment: dict[str, str]):
    with serving(environment) as (_, url):
        output = kvcluster("serve", "--listen-client-urls", url)
        assert output.code == 1
        address = url.removeprefix("http://")
        assert output.err == f"kvcluster: --listen-client-urls: cannot listen on {address}: Address already in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(environment: dict[str, str], number: signal.Signals):
    with serving(environment) as (process, url):
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            assert json.load(answer)["health"] == "true"
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 0 and "Traceback" not in err


def test_a_signal_ends_it_with_clients_connected(environment: dict[str, str]):
    script = """
import asyncio, sys
from kvcluster import connect, errors
async def main():
    async with await connect(sys.argv[1]) as client:
        watcher = await client.watch(b"a")
        print("watching", flush=True)
        await asyncio.wait_for(anext(watcher), 30)
asyncio.run(main())
"""
    with serving(environment) as (process, url):
        client = subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True)
        try:
            assert client.stdout is not None and client.stdout.readline() == "watching\n"
            process.terminate()
            _, err = process.communicate(timeout=10)
            assert process.returncode == 0 and "Traceback" not in err
        finally:
            client.kill()
            client.communicate()


def test_what_means_nothing_here_is_accepted_with_a_line(environment: dict[str, str]):
    """envtest and kind start etcd with such flags."""
    with serving(environment, "--unsafe-no-fsync=true", "--logger", "zap") as (process, _):
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert "--logger is accepted and ignored" in err
    assert "--logger is accepted and ignored" in err


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_both_transports_serve(environment: dict[str, str], transport: str):
    from kvcluster import connect

    with serving(environment, "--transport", transport, "--watch-progress-notify-interval", "100ms") as (_, url):
        async with await connect(url) as client:
            watcher = await client.watch(b"a", progress_notify=True)
            put = await client.put(b"a", b"1")
            assert (await anext(watcher)).revision == put.revision
            assert (await anext(watcher)).events == [], "a progress notification"


async def test_automatic_compaction(environment: dict[str, str]):
    from kvcluster import connect, errors

    with serving(environment, "--auto-compaction-retention", "500ms") as (_, url):
        async with await connect(url) as client:
            first = await client.put(b"a", b"1")
            with pytest.raises(errors.CompactedError):
                while True:
                    await client.put(b"a", b"2")
                    await client.get(b"a", revision=first.revision)


# -- imports --------------------------------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_heavy():
    script = """
import sys
before = set(sys.modules)
import kvcluster
heavy = {"asyncio", "google.protobuf", "grpc", "rich", "typer", "prometheus_client", "hpack"} & (set(sys.modules) - before)
assert not heavy, heavy
assert "Cluster" in dir(kvcluster) and "connect" in kvcluster.__all__
from kvcluster import *
assert Cluster and connect and KeyValue and prefix_end(b"a") == b"b"
try:
    kvcluster.Clutser
except AttributeError as error:
    assert "Clutser" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=WAIT_S)
