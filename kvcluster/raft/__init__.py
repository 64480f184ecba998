"""Raft: the consensus machine. Messages and ticks in, entries to persist and messages to send out; nothing else.

No clock, no sockets, no threads, no dependency: the package can be taken out of this project as it is. Rules are from
"In Search of an Understandable Consensus Algorithm" (Ongaro, Ousterhout 2014; "Raft" in comments) and Ongaro's thesis
("Raft thesis"), with the refinements that etcd's raft has shown to matter: pre-vote, check quorum, conflict hints, flow
control by progress states, reads by confirmed rounds.

    node = RawNode(Config(id=1, storage=MemoryStorage(voters=[1]), seed=7))
    node.campaign()
    node.propose([b"hello"])
    while node.has_ready():
        ready = node.ready()
        storage.append(ready.entries) …            # rawnode.py has the shell's contract
        node.advance(ready)

Where to read: types (records), rawnode (the contract), raft (the state), step (terms), then a role at a time: follower,
candidate, leader; replication and reads are the leader's two trades. quorum, inflights, progress, tracker, readonly, log,
unstable, storage are each one concept without the others.
"""

from kvcluster.raft.codec import decode_message, encode_message
from kvcluster.raft.confstate import build_conf_state
from kvcluster.raft.describe import describe_entries, describe_entry, describe_message, describe_ready
from kvcluster.raft.errors import (
    LogCompacted,
    LogUnavailable,
    ProposalDropped,
    RaftError,
    SnapshotUnavailable,
    StepRejected,
)
from kvcluster.raft.prng import Prng
from kvcluster.raft.progress import ProgressState
from kvcluster.raft.raft import Config
from kvcluster.raft.rawnode import ProgressStatus, RawNode, Ready, Status
from kvcluster.raft.storage import LogStorage, MemoryStorage
from kvcluster.raft.types import (
    NO_MEMBER,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    ReadState,
    Role,
    Snapshot,
    SnapshotData,
    chunks_of,
)

__all__ = [
    "NO_MEMBER",
    "ConfState",
    "Config",
    "Entry",
    "EntryType",
    "HardState",
    "LogCompacted",
    "LogStorage",
    "LogUnavailable",
    "MemoryStorage",
    "Message",
    "MessageType",
    "Prng",
    "ProgressState",
    "ProgressStatus",
    "ProposalDropped",
    "RaftError",
    "RawNode",
    "ReadState",
    "Ready",
    "Role",
    "Snapshot",
    "SnapshotData",
    "SnapshotUnavailable",
    "Status",
    "StepRejected",
    "build_conf_state",
    "chunks_of",
    "decode_message",
    "describe_entries",
    "describe_entry",
    "describe_message",
    "describe_ready",
    "encode_message",
]
