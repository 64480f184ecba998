"""A snapshot that another member sent, read before raft hears of it.

    SNAP message ──take──▶ being read, in steps, beside the state that it will replace ──step──▶ handed to raft
                                                                       Ready.snapshot ──load──▶ the state is the new one

While it is read the member goes on: it answers heartbeats and serves reads of its old state. Raft may find then that the
snapshot is no longer news; it is forgotten with the next one. A network may drop messages, so taking one in late, or
dropping one that comes twice, is nothing that raft would not bear.
"""

from __future__ import annotations

from kvcluster.apply import State
from kvcluster.member.snapshot import StateDecoder, load_state
from kvcluster.raft import Message, Snapshot, chunks_of

STEP_RECORDS = 300
"""Of a snapshot, in one step: about a millisecond's work."""


class Intake:
    """One member's; at most one snapshot is being read, and one has been."""

    __slots__ = ("_message", "_index", "_decoder", "_read")

    def __init__(self) -> None:
        self._message: Message | None = None
        self._index = 0
        self._decoder: StateDecoder | None = None
        self._read: tuple[int, StateDecoder] | None = None

    def take(self, message: Message) -> None:
        """Begins with it, unless a newer one is being read. The same one again may be of a new leader: its word counts."""
        snapshot = message.snapshot
        assert snapshot is not None
        if self._message is None or snapshot.index > self._index:
            self._index = snapshot.index
            self._decoder = StateDecoder(chunks_of(snapshot.data))
        if snapshot.index == self._index:
            self._message = message

    @property
    def is_reading(self) -> bool:
        return self._message is not None

    def step(self) -> Message | None:
        """Reads a bit; the message, once its snapshot is read. Raises CorruptSnapshotError."""
        message, decoder = self._message, self._decoder
        if message is None or decoder is None or decoder.step(STEP_RECORDS):
            return None
        self._read = (self._index, decoder)
        self._message = self._decoder = None
        return message

    def load(self, state: State, snapshot: Snapshot) -> None:
        """`state` becomes what the snapshot holds; at once, if it is the one that was read."""
        read, self._read = self._read, None
        if read is not None and read[0] == snapshot.index:
            read[1].adopt_into(state)
        else:
            load_state(state, chunks_of(snapshot.data))
