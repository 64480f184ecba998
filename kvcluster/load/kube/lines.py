"""A watch's bytes → lines → batches. The server sends the same line to every informer: it is parsed once.

Only events of objects that this run wrote are counted: those with a stamp that is not older than the run. Deletions carry the
stamp of the last write, so they are known, and have no latency. A pod that is deleted is marked first, which is an event more for
the same write: it is not counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from kvcluster.load.kube.objects import STAMP
from kvcluster.load.watching import Batch, BatchMemo, Deliveries, Watchers, read_stamp_text

EVENTS = ("ADDED", "MODIFIED", "DELETED")


def make_receiver(
    memo: BatchMemo, deliveries: Deliveries, watchers: Watchers, number: int, on_other: Callable[[bytes], object]
) -> Callable[[bytes], None]:
    """What informer `number` calls with what it has read, cut anywhere; on_other gets lines that are no events."""
    rest = b""
    find, deliver = memo.find, deliveries.deliver

    def on_data(data: bytes) -> None:
        nonlocal rest
        lines = data.split(b"\n")
        if rest:
            lines[0] = rest + lines[0]
        rest = lines.pop()
        for line in lines:
            batch = find(line)
            if batch is None:
                on_other(line)
            else:
                deliver(watchers, number, batch)
        deliveries.end_turn()

    return on_data


def parse_line(line: bytes, since_ns: int) -> Batch | None:
    """None for what is no event: bookmarks, errors, garbage. An event of somebody else's object is an empty batch."""
    try:
        event = json.loads(line)
        if event["type"] not in EVENTS:
            return None
        metadata = event["object"]["metadata"]
        revision = int(metadata["resourceVersion"])
    except (ValueError, KeyError, TypeError):
        return None
    stamp = read_stamp_text((metadata.get("annotations") or {}).get(STAMP))
    is_mark = event["type"] == "MODIFIED" and "deletionTimestamp" in metadata
    if stamp is None or stamp[0] < since_ns or is_mark:
        return Batch((), (), ())
    return Batch((revision,), (b"",), () if event["type"] == "DELETED" else (stamp[0],), len(line))


def bookmark_of(line: bytes) -> str:
    """The resourceVersion of a bookmark. Raises ValueError with what the line says where it is none."""
    try:
        event = json.loads(line)
        if event["type"] == "BOOKMARK":
            return str(event["object"]["metadata"]["resourceVersion"])
        text = event["object"].get("message", "") if event["type"] == "ERROR" else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        text = ""
    raise ValueError(text or f"not an event: {line[:200]!r}")
