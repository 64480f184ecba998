"""The two servers that are compared, and a client of raw bytes: codes and texts as they were on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from kvcluster.wire import ClientConnection, Outcome

WAIT_S = 20.0


class Wire(asyncio.Protocol):
    """One HTTP/2 connection."""

    def __init__(self) -> None:
        self._connection = ClientConnection(on_output=self._schedule)
        self._transport: Any = None
        self._is_scheduled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._connection.lost("connection lost")

    def _schedule(self) -> None:
        if not self._is_scheduled and self._transport is not None:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        output = self._connection.take_output()
        if output:
            self._transport.write(b"".join(output))

    async def call(self, path: str, payload: bytes, metadata: Mapping[str, str] | None = None) -> Outcome:
        """A stream of one request: unary calls have the same bytes, and metadata can be sent."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        answers: list[bytes] = []

        def ended(outcome: Outcome) -> None:
            if not done.done():
                done.set_result(outcome._replace(payload=b"".join(answers)))

        stream = self._connection.open_stream(path, answers.append, ended, metadata or {})
        stream.send(payload)
        stream.half_close()
        return await asyncio.wait_for(done, WAIT_S)

    def stream(self, path: str, on_message: Any, on_end: Any, metadata: Mapping[str, str] | None = None) -> Any:
        return self._connection.open_stream(path, on_message, on_end, metadata or {})

    def close(self) -> None:
        self._transport.abort()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


async def dial(port: int) -> Wire:
    """A connection that has answered a read: the server has a leader."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(WAIT_S):
        while True:
            with contextlib.suppress(OSError):
                _, wire = await loop.create_connection(Wire, "127.0.0.1", port)
                outcome = await wire.call("/etcdserverpb.KV/Range", b"\x0a\x01k")
                if outcome.ok:
                    return wire
                wire.close()
            await asyncio.sleep(0.05)


def etcd_binary() -> str | None:
    return shutil.which("etcd", path=str(Path(sys.executable).parent)) or shutil.which("etcd")


@contextlib.asynccontextmanager
async def serving(kind: str, folder: Path, *flags: str) -> AsyncIterator[int]:
    """A server as a process of its own: "etcd", "native" or "grpcio" (ours, by its transport). -> its client port."""
    client, peer = free_ports(2)
    urls = [
        "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
        "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-cluster", f"default=http://127.0.0.1:{peer}", "--bcrypt-cost", "4", "--log-level", "error",
    ]  # fmt: skip
    if kind == "etcd":
        command = [etcd_binary() or "etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    else:
        command = [sys.executable, "-m", "kvcluster", "serve", "--transport", kind]
    process = await asyncio.create_subprocess_exec(
        *command, *urls, *flags, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield client
    finally:
        process.kill()
        await process.wait()
