"""The connections of one client: one per endpoint, made when needed; everybody uses the current one.

Failing over is one step: `leave(channel)` makes the next endpoint the current one, unless somebody already did. Calls in
flight on the old connection are not disturbed; it is closed with the pool, or by its own end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from kvcluster.client.channel import Channel, open_channel
from kvcluster.client.endpoints import Endpoint
from kvcluster.client.errors import ClientClosedError
from kvcluster.errors import ConnectionLostError

CONNECT_TIMEOUT_S = 2.0


class ChannelPool:
    """See the module's contract. `len(pool)` is the number of endpoints."""

    def __init__(self, endpoints: Sequence[Endpoint], context: Any = None) -> None:
        """context: an ssl.SSLContext for https endpoints."""
        self.metadata: dict[str, str] = {}
        """Of every call: the token."""
        self._context = context
        self._endpoints = list(endpoints)
        self._channels: list[Channel | None] = [None] * len(self._endpoints)
        self._leaving: list[Channel] = []
        self._connecting: dict[int, asyncio.Task[Channel]] = {}
        self._current = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._endpoints)

    @property
    def endpoint(self) -> Endpoint:
        """The current one."""
        return self._endpoints[self._current]

    async def acquire(self) -> Channel:
        """A connected channel to the current endpoint.

        Raises ConnectionLostError (nothing was sent) if it cannot be reached; the next endpoint is then the current
        one. Raises ClientClosedError after close.
        """
        if self._closed:
            raise ClientClosedError
        index = self._current
        channel = self._channels[index]
        if channel is not None and channel.is_usable:
            return channel
        connecting = self._connecting.get(index)
        if connecting is None:
            # A task of its own: whoever asked first may be cancelled while others wait for the same connection.
            connecting = asyncio.get_running_loop().create_task(self._connect(index))
            self._connecting[index] = connecting
            connecting.add_done_callback(lambda task: self._connected(index, task))
        try:
            return await asyncio.shield(connecting)
        except ConnectionLostError:
            self._advance(index)
            raise
        except asyncio.CancelledError:
            if self._closed:
                raise ClientClosedError from None
            raise

    async def _connect(self, index: int) -> Channel:
        endpoint = self._endpoints[index]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await open_channel(endpoint, self._context, self.metadata)
        except TimeoutError:
            raise ConnectionLostError(f"{endpoint} does not answer") from None
        except OSError as cause:
            # asyncio's own text names the address again, but not what went wrong.
            said = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
            raise ConnectionLostError(f"{endpoint}: {said}") from cause

    def _connected(self, index: int, task: asyncio.Task[Channel]) -> None:
        self._connecting.pop(index, None)
        if task.cancelled() or task.exception() is not None:
            return
        channel = task.result()
        if self._closed:
            channel.close()
            return
        before = self._channels[index]
        if before is not None:  # the server sent it away; calls in flight may still end there
            self._leaving = [leaving for leaving in (*self._leaving, before) if not leaving.is_closed]
        self._channels[index] = channel

    def leave(self, channel: Channel) -> None:
        """Something is wrong behind this channel: the next endpoint becomes the current one."""
        if self._channels[self._current] is channel:
            self._advance(self._current)

    def _advance(self, index: int) -> None:
        if self._current == index:
            self._current = (index + 1) % len(self._endpoints)

    async def close(self) -> None:
        """Ends all connections; calls in flight fail. Safe to call twice."""
        self._closed = True
        connecting = list(self._connecting.values())
        for task in connecting:
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        for channel in (*self._channels, *self._leaving):
            if channel is not None:
                channel.close()
        self._leaving.clear()
        self._channels = [None] * len(self._endpoints)
