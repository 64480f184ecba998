"""Members as processes: what `kvcluster up`, `status` and `down` do, and ProcessCluster for programs.

    up: check ports --> claim the state folder --> spawn members --> wait until they have a leader and all answer
        any failure --> end what was spawned, free the folder, say why (the end of the failing member's log)
    down: SIGTERM --> GRACE_S --> SIGKILL --> remove what is in the folder

The state folder (state.py) belongs to one cluster at a time: while one of its processes lives, a second `up` is refused.

Members keep their data in memory. One that was killed has forgotten its vote, so it may not come back under its name
while the others live: they refuse it. `down` and `up` start a new, empty cluster.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kvcluster.client import connect
from kvcluster.cluster.state import ClusterError, MemberProcess, StateFolder, default_state_dir, is_alive, start_of
from kvcluster.errors import ConfigError, KvClusterError

BASE_PORT = 2379
OFFSETS = (0, 20000, 30000, 40000, 50000)
"""Of the members' client ports from the base port: 2379, 22379, 32379, as in etcd's Procfile; peers are one above."""

READY_S = 20.0
GRACE_S = 3.0
POLL_S = 0.03
CALL_S = 0.01
"""Between two calls to a member that is starting."""
ASK_S = 2.0
PORT_ATTEMPTS = 3


class MemberStatus(NamedTuple):
    """One row of `kvcluster status`. The fields after `alive` are 0 where the member does not answer."""

    name: str
    pid: int
    url: str
    alive: bool
    id: int = 0
    is_leader: bool = False
    leader: int = 0
    term: int = 0
    index: int = 0  # type: ignore[assignment]  # the field's word; shadows tuple.index
    revision: int = 0
    db_size_bytes: int = 0
    error: str = ""


class ProcessCluster:
    """Members as processes of this machine.

    base_port: of the first member, 0 = any free ports. state_dir: default `default_state_dir()`. serve_args: further
    flags for every member (`kvcluster serve --help`). Raises ConfigError for what cannot work.

    `async with ProcessCluster(...)` starts and ends it; `start` alone leaves it running after this program
    (that is `kvcluster up`).
    """

    def __init__(
        self,
        *,
        replicas: int = 3,
        base_port: int = BASE_PORT,
        host: str = "127.0.0.1",
        state_dir: Path | None = None,
        serve_args: Sequence[str] = (),
        ready_s: float = READY_S,
    ) -> None:
        if not 1 <= replicas <= len(OFFSETS):
            raise ConfigError(f"replicas must be from 1 to {len(OFFSETS)}, not {replicas}")
        if base_port and not 1 <= base_port <= 65534 - OFFSETS[replicas - 1]:
            last = 65534 - OFFSETS[replicas - 1]
            raise ConfigError(f"base port {base_port}: with {replicas} members it must be from 1 to {last}, or 0")
        self._replicas = replicas
        self._base_port = base_port
        self._host = host
        self._folder = StateFolder(state_dir or default_state_dir())
        self._serve_args = list(serve_args)
        self._ready_s = ready_s
        self._children: list[subprocess.Popen[bytes]] = []
        self._arguments: dict[str, list[str]] = {}
        self.members: list[MemberProcess] = []

    async def __aenter__(self) -> ProcessCluster:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def client_urls(self) -> list[str]:
        return [member.client_url for member in self.members]

    async def start(self) -> None:
        """Returns when the members have a leader and all answer. Raises ClusterError; nothing is then left running."""
        self._folder.claim()
        try:
            for attempt in range(PORT_ATTEMPTS):
                self._spawn(self._choose_ports())
                try:
                    await self._wait_ready()
                    return
                except _PortTaken:
                    if self._base_port or attempt == PORT_ATTEMPTS - 1:
                        raise
                    await self._end_children()
        except BaseException:
            await self.stop()
            raise

    def _choose_ports(self) -> list[tuple[int, int]]:
        """(client, peer) per member. Raises ClusterError for a port in use."""
        probes: list[socket.socket] = []
        try:
            ports = []
            for offset in OFFSETS[: self._replicas]:
                client = self._base_port + offset if self._base_port else 0
                pair = [self._probe(port, probes) for port in ((client, client + 1) if client else (0, 0))]
                ports.append((pair[0], pair[1]))
            return ports
        finally:
            for probe in probes:
                probe.close()

    def _probe(self, port: int, probes: list[socket.socket]) -> int:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        probe = socket.socket(family)
        probes.append(probe)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((self._host, port))
        except OSError as cause:
            raise ClusterError(
                f"port {port} on {self._host}: {cause.strerror}; choose others with --base-port"
            ) from cause
        return int(probe.getsockname()[1])

    def _spawn(self, ports: Sequence[tuple[int, int]]) -> None:
        host = f"[{self._host}]" if ":" in self._host else self._host
        names = [f"m{number}" for number in range(1, self._replicas + 1)]
        peers = [f"http://{host}:{peer}" for _, peer in ports]
        cluster = ",".join(f"{name}={url}" for name, url in zip(names, peers, strict=True))
        self.members = []
        for name, peer_url, (client, _) in zip(names, peers, ports, strict=True):
            client_url = f"http://{host}:{client}"
            self._arguments[name] = [
                *("--name", name, "--initial-cluster", cluster, "--initial-cluster-state", "new"),
                *("--listen-client-urls", client_url, "--advertise-client-urls", client_url),
                *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
                *self._serve_args,
            ]
            self._children.append(self._spawn_one(name))
            pid = self._children[-1].pid
            log = str(self._log_of(name))
            self.members.append(MemberProcess(name, pid, start_of(pid), client_url, peer_url, log))
            self._folder.write(self.members)

    def _log_of(self, name: str) -> Path:
        return self._folder.path / f"{name}.log"

    def _spawn_one(self, name: str) -> subprocess.Popen[bytes]:
        with self._log_of(name).open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "kvcluster", "serve", *self._arguments[name]],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    async def _wait_ready(self) -> None:
        """Asks all members at once, and looks whether their processes live meanwhile."""
        asking = {asyncio.ensure_future(_until_ready(member.client_url)): member for member in self.members}
        try:
            async with asyncio.timeout(self._ready_s):
                while waiting := [task for task in asking if not task.done()]:
                    for member, child in zip(self.members, self._children, strict=True):
                        if child.poll() is not None:
                            raise _failure(member, f"ended with exit code {child.returncode}")
                    await asyncio.wait(waiting, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            late = [member for task, member in asking.items() if not task.done()]
            names = ", ".join(member.name for member in late)
            raise _failure(late[0], f"not ready within {self._ready_s:g} s (waiting for {names})") from None
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    def _index(self, name: str) -> int:
        for index, member in enumerate(self.members):
            if member.name == name:
                return index
        raise ValueError(f"no member {name!r}")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signals a member's process, by name; the others are not told. ValueError for an unknown name."""
        self._children[self._index(name)].send_signal(number)

    async def wait_ended(self, name: str) -> int:
        """The exit code of a member's process, once it has ended; negative: the signal that ended it."""
        return await asyncio.to_thread(self._children[self._index(name)].wait)

    def respawn(self, name: str) -> None:
        """Starts an ended member again, with the same flags. While the others live they will refuse it (see above)."""
        index = self._index(name)
        if self._children[index].poll() is None:
            raise ValueError(f"member {name!r} is running")
        child = self._children[index] = self._spawn_one(name)
        self.members[index] = self.members[index]._replace(pid=child.pid, started=start_of(child.pid))
        self._folder.write(self.members)

    def log(self, name: str) -> str:
        """What a member has written so far."""
        return Path(self.members[self._index(name)].log).read_text(errors="replace")

    async def status(self) -> list[MemberStatus]:
        return await cluster_status(self._folder)

    async def stop(self) -> None:
        """Ends all members and frees the folder. Safe to call twice."""
        if not self.members and not self._children and not self._is_ours():
            return
        await self._end_children()
        self.members = []
        self._folder.clear()

    def _is_ours(self) -> bool:
        """The folder was claimed, and nothing is spawned yet."""
        return self._folder.starter()[0] == os.getpid()

    async def _end_children(self) -> None:
        children, self._children = self._children, []
        for child in children:
            if child.poll() is None:
                child.terminate()
        deadline_s = time.monotonic() + GRACE_S
        while any(child.poll() is None for child in children):
            if time.monotonic() > deadline_s:
                for child in children:
                    if child.poll() is None:
                        child.kill()
            await asyncio.sleep(POLL_S)


class _PortTaken(ClusterError):
    """Somebody took a port between our look and the member's start."""


def _failure(member: MemberProcess, what: str) -> ClusterError:
    try:
        lines = Path(member.log).read_text(errors="replace").splitlines()[-5:]
    except OSError:
        lines = []
    said = "".join(f"\n  {line}" for line in lines)
    cls = _PortTaken if any("in use" in line for line in lines) else ClusterError
    return cls(f"member {member.name} {what}{':' if said else ''}{said}")


async def _until_ready(url: str) -> None:
    """Returns when the member answers a linearizable read, so knows a leader: what `etcdctl endpoint health` asks."""
    address = urlsplit(url)
    while True:
        try:
            _, writer = await asyncio.open_connection(address.hostname, address.port)  # `connect` would be patient
            writer.close()
            async with await connect(url, timeout_s=ASK_S) as client:
                await client.get(b"health")
                return
        except (OSError, KvClusterError):
            pass
        await asyncio.sleep(CALL_S)


async def cluster_status(folder: StateFolder) -> list[MemberStatus]:
    """What each member says of itself. Raises ClusterError where there is no cluster."""
    members = folder.members()
    if not members:
        raise ClusterError(f"no cluster is running (nothing in {folder.path}); start one with: kvcluster up")
    return list(await asyncio.gather(*(_ask(member) for member in members)))


async def _ask(member: MemberProcess) -> MemberStatus:
    if not is_alive(member.pid, member.started):
        return MemberStatus(member.name, member.pid, member.client_url, False, error="the process has ended")
    try:
        async with await connect(member.client_url, timeout_s=ASK_S) as client:
            status = await client.status()
    except (OSError, KvClusterError) as error:
        return MemberStatus(member.name, member.pid, member.client_url, True, error=str(error) or "no answer")
    return MemberStatus(
        member.name, member.pid, member.client_url, True, status.member_id, status.leader == status.member_id,
        status.leader, status.raft_term, status.raft_index, status.revision, status.db_size_bytes,
        "; ".join(status.errors),
    )  # fmt: skip


async def end_cluster(folder: StateFolder) -> int:
    """Ends the processes of a cluster that another program started; answers how many there were still.

    Raises ClusterError where there is no cluster, or for a process that cannot be ended.
    """
    members = folder.members()
    if not members:
        raise ClusterError(f"no cluster is running (nothing in {folder.path})")
    living = [member for member in members if is_alive(member.pid, member.started)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for member in living:
            _signal(member, number)
        deadline_s = time.monotonic() + GRACE_S
        while time.monotonic() < deadline_s:  # they are not our children: nobody tells us when they end
            if not any(is_alive(member.pid, member.started) for member in living):
                break
            await asyncio.sleep(POLL_S)
    left = [str(member.pid) for member in living if is_alive(member.pid, member.started)]
    if left:
        raise ClusterError(f"pid {', '.join(left)} cannot be ended")
    folder.clear()
    return len(living)


def _signal(member: MemberProcess, number: signal.Signals) -> None:
    try:
        if is_alive(member.pid, member.started):
            os.kill(member.pid, number)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError as cause:
        raise ClusterError(f"pid {member.pid} of {member.name} belongs to another user") from cause
