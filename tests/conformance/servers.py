"""The servers that a suite runs against: one or three members on etcd's usual ports, ours or a real etcd.

The ports are fixed because many suites know no others. So that nothing collides, a run takes place in a network and process
namespace of its own where the system allows it (`namespace_prefix`); elsewhere the ports must be free. Members are named as
pifpaf names them (pifpaf0, …): suites look for the names and stop processes by them, which is why the list of members comes by
environment.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORTS = (2379, 22379, 32379)
"""Of the clients; peers are one above."""
READY_S = 30.0
KINDS = ("ours", "etcd")
_BIN = Path(sys.executable).parent
_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")


def namespace_prefix() -> tuple[str, ...]:
    """The command to put before another so that it has ports and processes of its own; empty where the system refuses."""
    if shutil.which("unshare") is None:
        return ()
    probe = subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False)
    return _UNSHARE if probe.returncode == 0 else ()


def raise_loopback() -> None:
    """A new network namespace has its loopback device down. Does nothing where it is up."""
    subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True, check=False)


def etcd_binary() -> str | None:
    """etcd 3.5.1 of the test environment."""
    return shutil.which("etcd", path=str(_BIN))


@contextmanager
def serving(kind: str, members: int, logs: Path) -> Iterator[list[str]]:
    """Starts members and waits until they answer; hands over their URLs. Raises RuntimeError with the end of a log if not."""
    ports = PORTS[:members]
    for port in ports:
        _check_free(port)
    cluster = ",".join(f"pifpaf{number}=http://127.0.0.1:{port + 1}" for number, port in enumerate(ports))
    environment = {**os.environ, "ETCD_INITIAL_CLUSTER": cluster}
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="conformance-") as data:
        try:
            for number, port in enumerate(ports):
                with (logs / f"{kind}-pifpaf{number}.log").open("wb") as log:
                    command = _command(kind, number, port, Path(data))
                    processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            for number, port in enumerate(ports):
                _wait(port, processes[number], logs / f"{kind}-pifpaf{number}.log")
            yield [f"http://127.0.0.1:{port}" for port in ports]
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _command(kind: str, number: int, port: int, data: Path) -> list[str]:
    flags = [
        "--name", f"pifpaf{number}",
        "--listen-client-urls", f"http://127.0.0.1:{port}", "--advertise-client-urls", f"http://127.0.0.1:{port}",
        "--listen-peer-urls", f"http://127.0.0.1:{port + 1}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{port + 1}",
    ]  # fmt: skip
    if kind == "ours":
        return [sys.executable, "-m", "kvcluster", "serve", *flags]
    binary = etcd_binary()
    if binary is None:
        raise RuntimeError("etcd is not in the test environment")
    return [binary, *flags, "--data-dir", str(data / str(number)), "--unsafe-no-fsync", "--log-level", "warn"]


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise RuntimeError(f"port {port} is taken, and the suites know no other: end what listens there") from error


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the member answers /health with 200: there is a leader, and it serves."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError(f"no member on port {port}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-10:]))


@contextmanager
def etcdctl_at(path: str) -> Iterator[None]:
    """etcdctl of the test environment at a path that a suite has written in it; empty: nowhere but in PATH."""
    place, binary = Path(path), shutil.which("etcdctl", path=str(_BIN))
    if not path or place.exists() or binary is None:
        yield
        return
    made = not place.parent.exists()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(binary)
    try:
        yield
    finally:
        place.unlink()
        if made:
            place.parent.rmdir()
