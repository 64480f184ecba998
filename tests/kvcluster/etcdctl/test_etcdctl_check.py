"""etcdctl check: its own load on our server, with its own verdict."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kvcluster.etcdctl.conftest import find_etcdctls
from tests.kvcluster.etcdctl.twins import Side, environment, serving, wait_ready

BINARIES = find_etcdctls()
CHECK_S = 100.0  # `check perf` alone puts load on for 60 s


def check(binary: str, side: Side, *arguments: str) -> str:
    """What `etcdctl check` prints; the exit code, 1 after a failed check, must be 0."""
    command = [binary, "--endpoints", side.urls[0], "check", *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=CHECK_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("label", BINARIES)
def test_datascale_puts_and_measures(label: str, tmp_path: Path) -> None:
    binary = BINARIES[label]
    with serving("ours", 1, tmp_path) as side:
        wait_ready(binary, side)
        assert "PASS: Approximate system memory used" in check(binary, side, "datascale", "--load", "s")


@pytest.mark.slow
@pytest.mark.parametrize("label", BINARIES)
def test_perf_passes_every_criterion(label: str, tmp_path: Path) -> None:
    binary = BINARIES[label]
    with serving("ours", 1, tmp_path) as side:
        wait_ready(binary, side)
        printed = check(binary, side, "perf", "--load", "s")
    assert "PASS: Throughput is" in printed
    assert "PASS: Slowest request took" in printed
    assert "FAIL" not in printed
