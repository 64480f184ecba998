"""The budget of a put: at most 12 of our own Python calls from the socket's bytes to the proposal. Counted, not timed."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

from kvcluster import pb
from kvcluster.server import Server
from kvcluster.wire import ClientConnection, Outcome


async def test_a_put_is_proposed_after_twelve_calls(server: Server):
    host, _, port = server.client_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    client = ClientConnection()
    outcomes: list[Outcome] = []
    request = pb.PutRequest(key=b"a", value=bytes(256)).SerializeToString()
    for count in (1, 2):  # the header block is known from the second call on
        client.call_unary("/etcdserverpb.KV/Put", request, outcomes.append)
        writer.write(b"".join(client.take_output()))
        while len(outcomes) < count:
            client.receive(await reader.read(65_536))

    assert server._listener is not None
    (protocol,) = server._listener._port.connections
    client.call_unary("/etcdserverpb.KV/Put", request, outcomes.append)
    data = b"".join(client.take_output())
    names: list[str] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("kvcluster"):
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    protocol.data_received(data)
    sys.setprofile(None)
    assert names.index("propose") < 12, names
    writer.close()
