"""The multi-version key-value store: etcd's revisions, ranges, history and compaction, in memory and synchronous.

    store = Store()
    event = store.put(b"a", b"1")                   # revision 2
    txn = store.begin(); txn.put(b"b", b"2"); txn.delete_range(b"a"); events = txn.commit()    # revision 3
    store.range(b"a", b"\\x00", revision=2).kvs      # the past
    store.compact(3); store.compact_step()

Read store.py first. Revisions and semantics: etcd's (KV API, MVCC).
"""

from kvcluster.mvcc.chunks import ChunkReader
from kvcluster.mvcc.encoding import encode_key_value, encode_range_body, encode_varint
from kvcluster.mvcc.history import Batch
from kvcluster.mvcc.index import TO_THE_END
from kvcluster.mvcc.records import DELETE, PUT, Event, KeyValue, RangeResult
from kvcluster.mvcc.snapshot import SnapshotDecoder, SnapshotEncoder
from kvcluster.mvcc.store import FIRST_REVISION, Store
from kvcluster.mvcc.txn import Txn
from kvcluster.mvcc.walk import HistoryWalk

__all__ = [
    "HistoryWalk",
    "DELETE",
    "FIRST_REVISION",
    "PUT",
    "TO_THE_END",
    "Batch",
    "ChunkReader",
    "Event",
    "KeyValue",
    "RangeResult",
    "SnapshotDecoder",
    "SnapshotEncoder",
    "Store",
    "Txn",
    "encode_key_value",
    "encode_range_body",
    "encode_varint",
]
