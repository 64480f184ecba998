"""The records of raft: entries, messages, states. Plain tuples, so that they are cheap, immutable and comparable.

A message may be shared between members of one process and sent twice by a network: nobody changes one.

Which message uses which field (to, sender and term are always filled; term is 0 in PROP, TRANSFER_LEADER):

    type               from → to               fields
    PROP               follower → leader       entries (their term and index are not yet known: 0)
    APP                leader → others         index, log_term of the entry before `entries`; entries; commit
    APP_RESP           others → leader         index: matches up to here; or reject: index refused, reject_hint and
                                               log_term: the newest index that may match and the term it has there
    PRE_VOTE, VOTE     candidate → others      index, log_term of the last entry; context TRANSFER: skip the lease check
    *_VOTE_RESP        others → candidate      reject
    HEARTBEAT          leader → others         commit; context: the round of reads it confirms, or b""
    HEARTBEAT_RESP     others → leader         context as received
    SNAP               leader → others         snapshot
    READ_INDEX         follower → leader       context: the asker's own name for its batch of reads
    READ_INDEX_RESP    leader → follower       index: safe to read once applied; context
    TRANSFER_LEADER    follower → leader       index: id of the member to become leader
    TIMEOUT_NOW        leader → transferee     (campaign at once)

Numbering is the codec's: never renumber.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

NO_MEMBER = 0
"""The id that no member has: "no leader known", "voted for nobody"."""

TRANSFER = b"transfer"
"""Context of a VOTE that a leader itself asked for (TIMEOUT_NOW): it must not be refused because that leader lives."""


class EntryType(IntEnum):
    NORMAL = 0
    CONF_CHANGE = 1


class Entry(NamedTuple):
    """One entry of the log. An empty `data` is what a new leader appends to commit what it inherited."""

    term: int
    index: int  # type: ignore[assignment]  # the field's word; shadows tuple.index
    type: int
    data: bytes


class MessageType(IntEnum):
    PROP = 1
    APP = 2
    APP_RESP = 3
    PRE_VOTE = 4
    PRE_VOTE_RESP = 5
    VOTE = 6
    VOTE_RESP = 7
    HEARTBEAT = 8
    HEARTBEAT_RESP = 9
    SNAP = 10
    READ_INDEX = 11
    READ_INDEX_RESP = 12
    TRANSFER_LEADER = 13
    TIMEOUT_NOW = 14


class Role(IntEnum):
    FOLLOWER = 0
    PRE_CANDIDATE = 1
    CANDIDATE = 2
    LEADER = 3


class ConfState(NamedTuple):
    """Who belongs to the group. Sorted tuples of ids; learners receive the log and have no vote."""

    voters: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()


class HardState(NamedTuple):
    """What must survive a restart beside the log: losing term or vote could elect two leaders in one term."""

    term: int = 0
    vote: int = NO_MEMBER
    commit: int = 0


SnapshotData = bytes | list[bytes]
"""In one piece, or in chunks that are so once they are joined: a large one never is. Nobody changes the list."""


def chunks_of(data: SnapshotData) -> list[bytes]:
    return [data] if isinstance(data, bytes) else data


class Snapshot(NamedTuple):
    """The state machine up to and with `index`; `data` is opaque here. Index 0: there is none."""

    index: int = 0  # type: ignore[assignment]
    term: int = 0
    conf_state: ConfState = ConfState()
    data: SnapshotData = b""

    @property
    def size_bytes(self) -> int:
        """Of the data."""
        return sum(map(len, chunks_of(self.data)))


class ReadState(NamedTuple):
    """Reads of batch `context` are linearizable once everything up to `index` is applied (Raft thesis 6.4)."""

    index: int  # type: ignore[assignment]  # the field's word; shadows tuple.index
    context: bytes


class Message(NamedTuple):
    """One message between two members; see the table above."""

    type: MessageType
    to: int
    sender: int = NO_MEMBER
    term: int = 0
    log_term: int = 0
    index: int = 0  # type: ignore[assignment]
    entries: Sequence[Entry] = ()
    commit: int = 0
    reject: bool = False
    reject_hint: int = 0
    context: bytes = b""
    snapshot: Snapshot | None = None


_new_tuple = tuple.__new__


def build_entries(term: int, first_index: int, datas: Sequence[bytes], type: int = 0) -> list[Entry]:
    """Entries for `datas`, with consecutive indexes from `first_index`.

    Hot: `tuple.__new__` is a third of the price of Entry(...), which runs a Python function per entry.
    """
    return [_new_tuple(Entry, (term, index, type, data)) for index, data in enumerate(datas, first_index)]


def payload_size(entries: Sequence[Entry]) -> int:
    """Bytes of data in `entries`, without their headers."""
    return sum([len(entry[3]) for entry in entries])


def limit_size(entries: list[Entry], max_bytes: int) -> list[Entry]:
    """The longest prefix whose payload is at most `max_bytes`, but never less than one entry; the list itself if all fit."""
    if payload_size(entries) <= max_bytes:
        return entries
    size = 0
    for position, entry in enumerate(entries):
        size += len(entry[3])
        if size > max_bytes:
            return entries[: max(position, 1)]
    return entries
