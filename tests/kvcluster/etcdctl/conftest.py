"""The real etcdctl on our servers: one member, and three member processes, real sockets and random ports.

etcdctl 3.5.1 comes with the test environment; where the system has another one (3.4 from a distribution) it is run too.
The servers serve all tests of a run, so each test works under a prefix of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kvcluster import ProcessCluster

WAIT_S = 30.0
_numbers = itertools.count()


def find_etcdctls() -> dict[str, str]:
    """Paths by label: that of the test environment, and that of the system if there is one."""
    found = {
        "bundled": shutil.which("etcdctl", path=str(Path(sys.executable).parent)),
        "system": shutil.which("etcdctl", path="/usr/local/bin:/usr/bin:/bin"),
    }
    return {label: path for label, path in found.items() if path}


class Output(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Etcdctl:
    """One etcdctl on some endpoints."""

    def __init__(self, binary: str, endpoints: list[str], home: Path) -> None:
        self.endpoints = endpoints
        self._command = [binary, "--endpoints", ",".join(endpoints), "--command-timeout", "10s"]
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), "ETCDCTL_API": "3"}

    @property
    def is_old(self) -> bool:
        """3.4, which lacks some flags."""
        return "etcdctl version: 3.4" in self.try_("version").out

    def try_(self, *arguments: str, stdin: str = "") -> Output:
        """Runs it to its end, whatever that is."""
        run = subprocess.run(
            [*self._command, *arguments],
            env=self._environment, input=stdin, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        return Output(run.returncode, run.stdout, run.stderr)

    def __call__(self, *arguments: str, stdin: str = "") -> list[str]:
        """Runs it and answers its lines; fails the test where it failed."""
        output = self.try_(*arguments, stdin=stdin)
        assert output.code == 0, f"etcdctl {' '.join(arguments)}\n{output.out}\n{output.err}"
        return output.lines

    def json(self, *arguments: str) -> Any:
        return json.loads("\n".join(self(*arguments, "-w", "json")))

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Iterator[str]]:
        """Starts it, hands over its lines as they come, and ends it. No line for WAIT_S ends it too."""
        process = subprocess.Popen(
            [*self._command[:3], *arguments],
            env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        bound = threading.Timer(WAIT_S, process.kill)
        bound.start()
        try:
            assert process.stdout is not None
            yield (line.rstrip("\n") for line in process.stdout)
        finally:
            bound.cancel()
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], ProcessCluster]]:
    """`processes(3)`: a running cluster of so many member processes, the same one for the whole run."""
    running: dict[int, ProcessCluster] = {}

    def start(replicas: int) -> ProcessCluster:
        if replicas not in running:
            folder = tmp_path_factory.mktemp(f"members-{replicas}") / "state"
            cluster = running[replicas] = ProcessCluster(replicas=replicas, base_port=0, state_dir=folder)
            asyncio.run(cluster.start())
        return running[replicas]

    yield start
    for cluster in running.values():
        asyncio.run(cluster.stop())


@pytest.fixture(
    params=[(label, replicas) for label in find_etcdctls() for replicas in (1, 3)],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def etcdctl(request: pytest.FixtureRequest, processes: Callable[[int], ProcessCluster], tmp_path: Path) -> Etcdctl:
    label, replicas = request.param
    return Etcdctl(find_etcdctls()[label], processes(replicas).client_urls, tmp_path)


@pytest.fixture
def prefix() -> str:
    return f"etcdctl-{next(_numbers)}/"
