"""Messages between members: over TCP (processes) or in memory (one process). Bounded, may drop, never blocks."""

from collections.abc import Sequence
from typing import Protocol

from kvcluster.member import PeerMessage
from kvcluster.peer.memory import MemoryNetwork, MemoryTransport
from kvcluster.peer.tcp import PeerRefusedError, TcpPeerTransport, ask_membership


class PeerTransport(Protocol):
    """A member's way to the others."""

    def send(self, messages: Sequence[PeerMessage]) -> None:
        """Hands over; raises nothing, waits for nothing, promises nothing."""
        ...


__all__ = [
    "MemoryNetwork",
    "MemoryTransport",
    "PeerRefusedError",
    "PeerTransport",
    "TcpPeerTransport",
    "ask_membership",
]
