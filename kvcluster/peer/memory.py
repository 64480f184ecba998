"""The network between members of one process: messages are handed over, never encoded. Links can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from kvcluster.member import PeerMessage

Deliver = Callable[[PeerMessage], object]


class MemoryNetwork:
    """Delivery is a turn of the loop away, in order. What is sent to who is cut off, or is not there, is lost."""

    def __init__(self) -> None:
        self._deliver: dict[int, Deliver] = {}
        self._cut: dict[tuple[int, int], None] = {}

    def join(self, member_id: int, deliver: Deliver) -> MemoryTransport:
        """From now on messages to `member_id` go to `deliver`."""
        self._deliver[member_id] = deliver
        return MemoryTransport(self, member_id)

    def leave(self, member_id: int) -> None:
        self._deliver.pop(member_id, None)

    def cut(self, a: int, b: int) -> None:
        """Neither hears the other."""
        self._cut[(a, b)] = self._cut[(b, a)] = None

    def heal(self) -> None:
        self._cut.clear()

    def _send(self, sender: int, messages: Sequence[PeerMessage]) -> None:
        loop = asyncio.get_running_loop()
        for message in messages:
            loop.call_soon(self._arrive, sender, message)

    def _arrive(self, sender: int, message: PeerMessage) -> None:
        deliver = self._deliver.get(message.to)
        if deliver is not None and (sender, message.to) not in self._cut:
            deliver(message)


class MemoryTransport:
    """One member's way out."""

    __slots__ = ("_network", "_member_id")

    def __init__(self, network: MemoryNetwork, member_id: int) -> None:
        self._network = network
        self._member_id = member_id

    def send(self, messages: Sequence[PeerMessage]) -> None:
        self._network._send(self._member_id, messages)
