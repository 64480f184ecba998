"""A real etcd 3.5.1 and ours side by side, and the same etcdctl commands on both at the same time.

Ports are random, the processes end with the fixture that started them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.kvcluster.etcdctl.script import Names, Script, Step, fill, first_id, readable, words

WAIT_S = 60.0
KINDS = ("etcd", "ours")


class Side(NamedTuple):
    """One server, or one cluster: its client URLs, and host:port of all it listens on."""

    kind: str
    urls: list[str]
    addresses: list[str]


def free_ports(count: int) -> list[int]:
    """All probes are open at once, so that no port comes twice."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def serving(kind: str, members: int, folder: Path) -> Iterator[Side]:
    """A cluster of `kind`; it may still be electing when this hands it over, but it listens."""
    ports = free_ports(2 * members)
    clients, peers = ports[:members], ports[members:]
    cluster = ",".join(f"m{number}=http://127.0.0.1:{port}" for number, port in enumerate(peers))
    processes = []
    try:
        for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
            own, others = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
            flags = [
                "--name", f"m{number}", "--initial-cluster", cluster,
                "--listen-client-urls", own, "--advertise-client-urls", own,
                "--listen-peer-urls", others, "--initial-advertise-peer-urls", others,
            ]  # fmt: skip
            log = (folder / f"{kind}-{number}.log").open("wb")
            with log:
                command = [*_program(kind, folder / f"{kind}-{number}"), *flags]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        addresses = [f"127.0.0.1:{port}" for port in ports]
        yield Side(kind, [f"http://127.0.0.1:{port}" for port in clients], addresses)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _program(kind: str, data: Path) -> list[str]:
    if kind == "ours":
        return [sys.executable, "-m", "kvcluster", "serve"]
    binary = shutil.which("etcd", path=str(Path(sys.executable).parent))
    assert binary, "etcd is not installed; `make test` installs it"
    return [binary, "--data-dir", str(data), "--unsafe-no-fsync", "--log-level", "error"]


def wait_ready(binary: str, side: Side) -> None:
    """Until every member has answered a linearizable read."""
    for url in side.urls:
        for _ in range(50):
            command = [binary, "--endpoints", url, "--dial-timeout", "10s", "--command-timeout", "10s", "get", "ready"]
            done = subprocess.run(command, env=environment(), capture_output=True, check=False)
            if done.returncode == 0:
                break
        else:
            raise AssertionError(f"{side.kind} at {url}: {done.stderr.decode()}")


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "HOME": os.environ.get("HOME", "/")}


class Play:
    """A script on one side: values and names that last from step to step."""

    def __init__(self, binary: str, side: Side, folder: Path) -> None:
        self._binary = binary
        self._side = side
        self._names = Names(side.addresses, folder)
        self.values: dict[str, str | int] = {"urls": ",".join(side.urls), "tmp": str(folder)}
        for number, url in enumerate(side.urls):
            self.values[f"url{number}"] = url

    def run(self, step: Step) -> list[str]:
        """What the step prints, with what may differ hidden: lines of both streams, and the exit code."""
        arguments = words(fill(step.command, self.values))
        stdin = fill(step.stdin, self.values).encode()
        if step.lines is not None:
            return self._names.normal("\n".join(self._first_lines(arguments, stdin, step.lines))).splitlines()
        code, out, err = self.call(arguments, stdin)
        text = readable(arguments, out)
        if step.capture:
            self.values[step.capture] = first_id(text)
        errors = [f"stderr: {line}" for line in self._names.normal(err.decode(errors="backslashreplace")).splitlines()]
        return [*self._names.normal(text).splitlines(), *errors, f"exit code {code}"]

    def call(self, arguments: Sequence[str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Runs etcdctl to its end on all the members, or on those that the arguments name."""
        command = [
            self._binary,
            "--endpoints",
            str(self.values["urls"]),
            "--dial-timeout",
            "20s",
            "--command-timeout",
            "20s",
        ]
        done = subprocess.run(
            [*command, *arguments], input=stdin, capture_output=True, env=environment(), timeout=WAIT_S, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def _first_lines(self, arguments: Sequence[str], stdin: bytes, count: int) -> list[str]:
        """The first lines of one that does not end by itself; empty ones if it does end. It has WAIT_S for them."""
        process = subprocess.Popen(
            [self._binary, "--endpoints", self._side.urls[0], *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(),
        )  # fmt: skip
        late = threading.Event()
        bound = threading.Timer(WAIT_S, lambda: (late.set(), process.kill()))
        bound.start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(stdin)
            process.stdin.flush()
            lines = [process.stdout.readline().decode(errors="backslashreplace").rstrip("\n") for _ in range(count)]
            assert not late.is_set(), f"{self._side.kind} said no more than {lines}"
            process.send_signal(signal.SIGINT)
            return lines
        finally:
            process.stdin.close()
            process.stdout.read()
            process.wait()
            bound.cancel()


def level(plays: Sequence[Play]) -> None:
    """An empty store of one revision on all sides, which is their {rev}, and the ids of the members."""
    for play in plays:
        for lease in play.call(["lease", "list"])[1].decode().split("\n")[1:]:
            if lease:
                play.call(["lease", "revoke", lease])
        play.call(["del", "", "--from-key"])
    revisions = [_revision(play) for play in plays]
    if len(set(revisions)) > 1:  # as many writes as it takes, the last one a delete, so that at least two
        for play, revision in zip(plays, revisions, strict=True):
            for _ in range(max(revisions) - revision + 1):
                play.call(["put", "level", ""])
            play.call(["del", "level"])
    for play in plays:
        play.values["rev"] = _revision(play)
        for line in play.call(["member", "list"])[1].decode().splitlines():
            id, _, name, *_ = line.split(", ")
            play.values[name] = id


def _revision(play: Play) -> int:
    code, out, err = play.call(["get", "level", "-w", "json"])
    assert code == 0, err.decode()
    return int(out.split(b'"revision":')[1].split(b",")[0])


def perform(script: Script, plays: Sequence[Play]) -> list[list[str]]:
    """The transcript of each side; the sides take each step at the same time."""
    level(plays)
    transcripts: list[list[str]] = [[] for _ in plays]
    with ThreadPoolExecutor(len(plays)) as pool:
        for step in script.steps:
            for transcript, lines in zip(
                transcripts, pool.map(lambda play, step=step: play.run(step), plays), strict=True
            ):
                transcript += [f"$ {step.command}", *lines]
    return transcripts
