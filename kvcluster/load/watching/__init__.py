"""What watch workloads share: one writer, many watchers, and the account of what was delivered, to whom, how late.

stamp        the writer's time and number, at the beginning of a value
selection    what is watched and written, and what must have come at the end
batch        a payload parsed once for all watchers that get it
payload      WatchResponses taken apart by hand: the hot path
deliveries   per watcher and per process: latencies, lag, spread, lost, doubled, swapped
phases       how writer and readers agree on warm-up and end
writer, reader     the two sides of a run
figures      shares → the "watch" block of a result
"""

from kvcluster.load.watching.batch import Batch, BatchMemo
from kvcluster.load.watching.deliveries import Deliveries, Watchers
from kvcluster.load.watching.figures import merge, share_of
from kvcluster.load.watching.phases import Written, follow, wait_readers
from kvcluster.load.watching.reader import Reader
from kvcluster.load.watching.selection import Selection
from kvcluster.load.watching.stamp import read_stamp_text, stamp_text, stamp_value
from kvcluster.load.watching.writer import Done, Writer

__all__ = [
    "Batch",
    "BatchMemo",
    "Deliveries",
    "Done",
    "Reader",
    "Selection",
    "Watchers",
    "Writer",
    "Written",
    "follow",
    "merge",
    "read_stamp_text",
    "share_of",
    "stamp_text",
    "stamp_value",
    "wait_readers",
]
