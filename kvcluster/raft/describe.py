"""One line of text for a message, an entry, a Ready: what scripts in testdata show and what people read in a trace."""

from __future__ import annotations

from collections.abc import Sequence

from kvcluster.raft.rawnode import Ready
from kvcluster.raft.types import Entry, EntryType, HardState, Message, MessageType, Snapshot


def describe_entry(entry: Entry) -> str:
    """term/index "data", data shortened; the type where it is not the usual one."""
    text = entry.data if len(entry.data) <= 32 else entry.data[:29] + b"..."
    kind = "" if entry.type == EntryType.NORMAL else f" {EntryType(entry.type).name}"
    return f'{entry.term}/{entry.index}{kind} "{text.decode("utf-8", "backslashreplace")}"'


def describe_entries(entries: Sequence[Entry]) -> str:
    return "[" + ", ".join(describe_entry(entry) for entry in entries) + "]"


def describe_snapshot(snapshot: Snapshot) -> str:
    voters = ",".join(str(id) for id in snapshot.conf_state.voters)
    return f"{snapshot.term}/{snapshot.index} voters:{voters} ({snapshot.size_bytes} bytes)"


def describe_hard_state(hard_state: HardState) -> str:
    return f"term:{hard_state.term} vote:{hard_state.vote} commit:{hard_state.commit}"


def describe_message(m: Message) -> str:
    """`1->2 APP term:1 log:1/0 commit:0 entries:[…]`: log is the term/index that the message speaks of."""
    words = [f"{m.sender}->{m.to} {m.type.name}"]
    if m.term:
        words.append(f"term:{m.term}")
    if m.index or m.log_term or m.type in (MessageType.APP, MessageType.APP_RESP):
        words.append(f"log:{m.log_term}/{m.index}")
    if m.reject:
        words.append("reject")
    if m.reject_hint:
        words.append(f"hint:{m.reject_hint}")
    if m.commit:
        words.append(f"commit:{m.commit}")
    if m.context:
        readable = m.context.isalnum()
        words.append(f"context:{m.context.decode() if readable else m.context.hex()}")
    if m.entries:
        words.append(f"entries:{describe_entries(m.entries)}")
    if m.snapshot is not None:
        words.append(f"snapshot:{describe_snapshot(m.snapshot)}")
    return " ".join(words)


def describe_ready(ready: Ready) -> list[str]:
    """A line for each part of a Ready that is there."""
    lines = []
    if ready.hard_state is not None:
        lines.append(f"hard state {describe_hard_state(ready.hard_state)}")
    if ready.snapshot is not None:
        lines.append(f"snapshot {describe_snapshot(ready.snapshot)}")
    if ready.entries:
        lines.append(f"entries {describe_entries(ready.entries)}")
    lines.extend(f"send {describe_message(m)}" for m in ready.messages)
    if ready.committed:
        lines.append(f"committed {describe_entries(ready.committed)}")
    for state in ready.read_states:
        lines.append(f"read {state.context.decode('utf-8', 'backslashreplace')} at index {state.index}")
    return lines
