"""etcdctl make-mirror between a real etcd and ours, in both directions: what was there before, and what comes later."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kvcluster.etcdctl.conftest import find_etcdctls
from tests.kvcluster.etcdctl.twins import WAIT_S, Side, environment, serving, wait_ready

BINARIES = find_etcdctls()


def etcdctl(binary: str, side: Side, *arguments: str) -> str:
    command = [binary, "--endpoints", side.urls[0], *arguments]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True, timeout=WAIT_S
    ).stdout


def content(binary: str, side: Side, prefix: str) -> list[str]:
    return etcdctl(binary, side, "get", "--prefix", prefix).splitlines()


def wait_content(binary: str, side: Side, prefix: str, expected: list[str]) -> None:
    end = time.monotonic() + WAIT_S
    while (found := content(binary, side, prefix)) != expected:
        assert time.monotonic() < end, found


@contextlib.contextmanager
def mirroring(binary: str, source: Side, destination: Side, *flags: str) -> Iterator[None]:
    command = [binary, "--endpoints", source.urls[0], "make-mirror", *flags, destination.urls[0]]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, "make-mirror ended by itself"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("label", BINARIES)
@pytest.mark.parametrize(("source", "destination"), [("etcd", "ours"), ("ours", "etcd")])
def test_a_mirror_follows_its_source(source: str, destination: str, label: str, tmp_path: Path) -> None:
    binary = BINARIES[label]
    with serving(source, 1, tmp_path) as origin, serving(destination, 1, tmp_path) as mirror:
        wait_ready(binary, origin)
        wait_ready(binary, mirror)
        for number in range(3):
            etcdctl(binary, origin, "put", f"before/{number}", f"v{number}")
        etcdctl(binary, origin, "put", "elsewhere", "x")
        with mirroring(binary, origin, mirror, "--prefix", "before/", "--dest-prefix", "copy/"):
            wait_content(binary, mirror, "", ["copy/0", "v0", "copy/1", "v1", "copy/2", "v2"])
            etcdctl(binary, origin, "put", "before/3", "v3")
            etcdctl(binary, origin, "put", "before/0", "changed")
            etcdctl(binary, origin, "del", "before/1")
            wait_content(binary, mirror, "", ["copy/0", "changed", "copy/2", "v2", "copy/3", "v3"])
        with mirroring(binary, origin, mirror):
            wait_content(binary, mirror, "elsewhere", ["elsewhere", "x"])
            wait_content(binary, mirror, "before/", ["before/0", "changed", "before/2", "v2", "before/3", "v3"])
