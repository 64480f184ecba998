"""The simulated network between members: it drops, delays, repeats, reorders and cuts, all from one stream of dice.

A message travels as the bytes that sockets would carry, so every one of them proves the codec, too. Time is the
simulation's step. Delays differ, so messages overtake each other. A cut is one-way; a partition is several of them.
Messages under way when a link is cut still arrive: that is what makes old leaders dangerous.

One thing it never does: repeat a forwarded proposal. A proposal has no identity in raft, so a repeated one is a second
one; a transport over streams does not repeat, and PeerTransport promises it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from kvcluster.member import PeerMessage, decode_peer_message, encode_peer_message
from kvcluster.raft import Message, MessageType


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Probabilities are per message. `max_in_flight` bounds the whole network; beyond it, messages are dropped."""

    drop: float = 0.05
    duplicate: float = 0.03
    straggle: float = 0.05
    max_delay_steps: int = 3
    max_straggle_steps: int = 60
    max_in_flight: int = 5000


class Network:
    """Members are named by id. `send` puts messages in, `deliver` takes those out that have arrived."""

    def __init__(self, random: Random, options: NetworkOptions) -> None:
        self._random = random
        self._options = options
        self._in_flight: list[tuple[int, int, int, bytes]] = []  # heap of (due step, order of sending, to, bytes)
        self._order = 0
        self._cut: dict[tuple[int, int], bool] = {}
        self._calm = False
        self.sent = 0
        self.dropped = 0

    def send(self, now: int, messages: Sequence[PeerMessage]) -> None:
        """Takes messages at step `now`; each arrives later, maybe twice, maybe never."""
        for message in messages:
            self.sent += 1
            if not self._calm and self._is_lost(message):
                self.dropped += 1
                continue
            data = encode_peer_message(message)
            self._push(now + self._delay_steps(), message.to, data)
            is_proposal = isinstance(message, Message) and message.type is MessageType.PROP
            if not (self._calm or is_proposal) and self._random.random() < self._options.duplicate:
                self._push(now + self._delay_steps(), message.to, data)

    def _is_lost(self, message: PeerMessage) -> bool:
        if self._cut.get((message.sender, message.to)) or len(self._in_flight) >= self._options.max_in_flight:
            return True
        return self._random.random() < self._options.drop

    def _delay_steps(self) -> int:
        if self._calm:
            return 1
        if self._random.random() < self._options.straggle:
            return self._random.randint(1, self._options.max_straggle_steps)
        return self._random.randint(1, self._options.max_delay_steps)

    def _push(self, due: int, to: int, data: bytes) -> None:
        self._order += 1
        heappush(self._in_flight, (due, self._order, to, data))

    def deliver(self, now: int) -> Iterable[PeerMessage]:
        """What has arrived by step `now`, in order of arrival."""
        while self._in_flight and self._in_flight[0][0] <= now:
            yield decode_peer_message(heappop(self._in_flight)[3])

    def cut(self, sender: int, to: int) -> None:
        """From now on nothing that `sender` sends reaches `to`."""
        self._cut[sender, to] = True

    def heal(self) -> None:
        """All links carry again; what was lost stays lost."""
        self._cut.clear()

    def calm_down(self) -> None:
        """No faults any more, and one step from anywhere to anywhere: a run ends by getting well."""
        self.heal()
        self._calm = True
