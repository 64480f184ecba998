"""A whole cluster as separate processes, supervised by one that waits for Ctrl-C.

    kvcluster serve × replicas   ◀── gRPC ── apiserver serve ◀── HTTP ── apiserver scheduler | controllers | nodes

Every child is started with this interpreter, in its own session, and ended in reverse order: SIGTERM, and SIGKILL
after GRACE_S. If a child ends by itself, `wait_failed` answers which one and the last lines of its log.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from apiserver.client import Client, HttpTransport, ServerUnreachableError, load_kubeconfig
from apiserver.errors import StatusError
from apiserver.server import Credentials
from kvcluster.cluster import ProcessCluster

GRACE_S = 1.5
READY_S = 30.0
POLL_S = 0.05


class Child:
    """One process and its log file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    def tail(self, lines: int = 5) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def end(self) -> None:
        """SIGTERM, then SIGKILL after GRACE_S."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), GRACE_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class ProcessFailed(RuntimeError):
    """A child ended by itself; the text carries the end of its log."""


class SupervisedCluster:
    """The same face as LocalCluster where they mean the same: url, store_urls, client(), start, stop."""

    def __init__(
        self,
        *,
        nodes: int,
        replicas: int,
        port: int,
        store_port: int,
        host: str = "127.0.0.1",
        scheduler_args: Sequence[str] = (),
        server_args: Sequence[str] = (),
        controllers: Sequence[str] = ("*",),
    ) -> None:
        self._nodes = nodes
        self._host = host
        self._port = port
        self._scheduler_args = list(scheduler_args)
        self._controllers = ",".join(controllers)
        self._folder = tempfile.TemporaryDirectory(prefix="kvcluster-")
        self._server_args = list(server_args)
        if "--tls" in self._server_args and "--cert-dir" not in self._server_args:
            # In a folder, so that the controllers can sign with the same authority.
            self._server_args += ["--cert-dir", str(Path(self._folder.name) / "pki")]
        self._store = ProcessCluster(
            replicas=replicas, base_port=store_port, state_dir=Path(self._folder.name) / "store"
        )
        self._children: list[Child] = []
        self._transport: HttpTransport | None = None
        self.url = ""
        self.store_urls: list[str] = []

    async def __aenter__(self) -> SupervisedCluster:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def credentials(self) -> Credentials:
        """What an administrator shows to the API server: what that wrote into its kubeconfig."""
        document = yaml.safe_load(self.kubeconfig_path.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]

        def decoded(entry: dict[str, str], field: str) -> bytes:
            return base64.b64decode(entry.get(field, ""))

        return Credentials(
            decoded(cluster, "certificate-authority-data"),
            user.get("token", ""),
            decoded(user, "client-certificate-data"),
            decoded(user, "client-key-data"),
        )

    def client(self) -> Client:
        assert self._transport is not None, "the cluster is not started"
        return Client(self._transport)

    async def start(self) -> None:
        """Starts everything and waits until the API server answers. Raises ProcessFailed."""
        try:
            await self._store.start()
            self.store_urls = self._store.client_urls
            server = await self._spawn(
                "apiserver",
                "serve",
                "--etcd-servers",
                ",".join(self.store_urls),
                "--port",
                str(self._port),
                "--host",
                self._host,
                "--admin-kubeconfig",
                str(self.kubeconfig_path),
                *self._server_args,
            )
            self.url = await self._wait_url(server)
            kubeconfig = self.kubeconfig_path
            self._transport = HttpTransport.from_kubeconfig(load_kubeconfig(kubeconfig))
            await self._spawn("scheduler", "scheduler", "--kubeconfig", str(kubeconfig), *self._scheduler_args)
            if self._controllers:
                chosen = [f"--controllers={self._controllers}", *self._signing_args()]
                await self._spawn("controllers", "controllers", "--kubeconfig", str(kubeconfig), *chosen)
            if self._nodes:
                await self._spawn("nodes", "nodes", "--kubeconfig", str(kubeconfig), "--count", str(self._nodes))
        except BaseException:
            await self.stop()
            raise

    async def _spawn(self, name: str, *arguments: str) -> Child:
        log = Path(self._folder.name) / f"{name}.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "apiserver", *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=os.environ.copy(),
            )  # fmt: skip
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def _wait_url(self, server: Child) -> str:
        """The URL from the server's own first line, once /readyz answers there."""
        async with asyncio.timeout(READY_S):
            while True:
                if server.process.returncode is not None:
                    raise ProcessFailed(f"{server.name} ended:\n{server.tail()}")
                lines = server.log.read_text().splitlines()
                found = [line.split()[-1] for line in lines if line.startswith("serving on ")]
                if found and await self._answers():
                    return found[0]
                await asyncio.sleep(POLL_S)

    def _signing_args(self) -> list[str]:
        if "--cert-dir" not in self._server_args:
            return []
        folder = Path(self._server_args[self._server_args.index("--cert-dir") + 1])
        files = {
            "--cluster-signing-cert-file": folder / "ca.crt",
            "--cluster-signing-key-file": folder / "ca.key",
            "--service-account-private-key-file": folder / "sa.key",
        }
        return [part for flag, file in files.items() if file.exists() for part in (flag, str(file))]

    @property
    def kubeconfig_path(self) -> Path:
        """An administrator's, written by the API server before it says that it serves; gone after `stop`."""
        return Path(self._folder.name) / "kubeconfig"

    async def _answers(self) -> bool:
        transport = HttpTransport.from_kubeconfig(load_kubeconfig(self.kubeconfig_path))
        try:
            await Client(transport).raw("/version")
            return True
        except (StatusError, ServerUnreachableError):
            return False
        finally:
            await transport.close()

    async def wait_failed(self) -> str:
        """Waits until a child ends by itself; answers what to tell the user."""
        waits = {asyncio.ensure_future(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            child = waits[done.pop()]
            return f"{child.name} ended with exit code {child.process.returncode}:\n{child.tail()}"
        finally:
            for wait in waits:
                wait.cancel()

    async def stop(self) -> None:
        """Ends every child, the last started first. Safe to call twice."""
        if self._transport is not None:
            await self._transport.close()
            self._transport = None
        children, self._children = self._children, []
        await asyncio.gather(*(child.end() for child in children if child.name != "apiserver"))
        await asyncio.gather(*(child.end() for child in children))
        await self._store.stop()
        self._folder.cleanup()
