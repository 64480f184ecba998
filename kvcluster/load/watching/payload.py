"""A WatchResponse taken apart by hand: whom it is for, and the bytes that all watchers of a group share.

    0a len header | 10 watch id | 5a len event  5a len event …
                                  └── body: equal for every watcher that gets these events

Field numbers are those of etcd's rpc.proto. The body is parsed once, by protobuf, and remembered; then a delivery costs a
slice, a comparison and the watcher's own book-keeping. Whatever does not have this shape (watch id 0, which is not encoded;
created, canceled, a compact revision; fields in another order) goes to `on_other` as it came.
"""

from __future__ import annotations

from collections.abc import Callable

from kvcluster import pb
from kvcluster.load.watching.batch import Batch, BatchMemo
from kvcluster.load.watching.deliveries import Deliveries, Watchers
from kvcluster.load.watching.stamp import read_stamp


def make_receiver(
    memo: BatchMemo, deliveries: Deliveries, watchers: Watchers, on_other: Callable[[bytes], object]
) -> Callable[[bytes], None]:
    """What a watch stream calls for each message. A watch id is the watcher's number in `watchers`.

    This is the generator's hot path: one closure, no call on a delivery of what was just delivered to the neighbour.
    """
    lasts, counts, find = watchers.lasts, watchers.counts, memo.find
    late, touch = deliveries.late, deliveries.touch
    last_body, last_batch = b"\xff", Batch((), (), ())  # no body looks like this

    def on_message(payload: bytes) -> None:
        nonlocal last_body, last_batch
        try:
            at = payload[1] + 2  # above 127 this is not the header's size, and not believed
            watch_id = payload[at + 1]
            if payload[at] != 0x10 or payload[1] > 0x7F or payload[0] != 0x0A:
                on_other(payload)
                return
            if watch_id < 0x80:
                body = payload[at + 2 :]
            elif payload[at + 2] < 0x80:
                watch_id = watch_id & 0x7F | payload[at + 2] << 7
                body = payload[at + 3 :]
            else:
                on_other(payload)
                return
            last_of_watcher = lasts[watch_id]
        except IndexError:
            on_other(payload)
            return
        if body == last_body:
            batch = last_batch
        else:
            found = find(body)
            if found is None:
                on_other(payload)
                return
            batch, last_batch, last_body = found, found, body
        if batch.first > last_of_watcher:
            lasts[watch_id] = batch.last
            counts[watch_id] += batch.count
        elif not late(watchers, watch_id, batch):
            return
        if batch.pending:
            batch.pending += 1
        else:
            touch(batch)

    return on_message


def parse_body(body: bytes) -> Batch | None:
    """The events of a body. None where it has none, or anything else."""
    try:
        response = pb.WatchResponse.FromString(body)
    except Exception:  # google.protobuf's DecodeError
        return None
    fields = response.ListFields()
    return batch_of(response, len(body)) if [field.name for field, _ in fields] == ["events"] else None


def batch_of(response: pb.WatchResponse, size_bytes: int) -> Batch:
    """The writer's events of a response; those of others (deletions, values without a stamp) are left out."""
    revisions, keys, stamps = [], [], []
    for event in response.events:
        stamp = read_stamp(event.kv.value)
        if stamp is not None:
            revisions.append(event.kv.mod_revision)
            keys.append(event.kv.key)
            stamps.append(stamp[0])
    return Batch(revisions, keys, stamps, size_bytes)
