"""Linearizable reads without writing to the log (Raft thesis 6.4): the rounds of a leader.

A batch of reads joins the newest round with the commit index of that moment. Heartbeats carry the round's number; a
member that answers round n still followed this leader after every round <= n had begun, so acknowledgements are
cumulative and the confirmed round is a matter of quorum.committed_index, exactly like the commit index of the log.
The askers' contexts never leave this table, so two members may use the same ones.

Rounds live as long as the leader's term: answers from an older term never get here (step.py drops them).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from kvcluster.raft.quorum import committed_index


class PendingRead(NamedTuple):
    """A batch that waits for its round: `index` answers `context` of member `asker`."""

    round: int
    index: int  # type: ignore[assignment]  # the field's word; shadows tuple.index
    asker: int
    context: bytes


class ReadOnly:
    """Invariant: rounds in the queue increase strictly, none is confirmed."""

    __slots__ = ("_queue", "_acknowledged", "_round")

    def __init__(self) -> None:
        self._queue: deque[PendingRead] = deque()
        self._acknowledged: dict[int, int] = {}
        self._round = 0

    def __len__(self) -> int:
        return len(self._queue)

    def begin_round(self, index: int, asker: int, context: bytes) -> None:
        """Opens a round for one batch; the leader sends heartbeats with `round_context` next."""
        self._round += 1
        self._queue.append(PendingRead(self._round, index, asker, context))

    def round_context(self) -> bytes:
        """What heartbeats carry: the newest round that waits, b"" when none does."""
        return self._round.to_bytes(8, "big") if self._queue else b""

    def acknowledge(self, id: int, context: bytes, self_id: int, voters: Sequence[int]) -> list[PendingRead]:
        """Counts a heartbeat's answer and takes out the batches that a majority has now confirmed, oldest first."""
        if len(context) != 8:
            return []
        acknowledged = self._acknowledged
        acknowledged[id] = max(acknowledged.get(id, 0), int.from_bytes(context, "big"))
        acknowledged[self_id] = self._round
        confirmed = committed_index(voters, acknowledged)
        released = []
        queue = self._queue
        while queue and queue[0].round <= confirmed:
            released.append(queue.popleft())
        return released
