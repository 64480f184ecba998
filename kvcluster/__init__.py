"""An etcd in pure Python: a Raft-replicated key-value store that speaks etcd's gRPC API, embedded or served.

    from kvcluster import Cluster, connect

    async with Cluster(members=3) as cluster:            # three members in this process
        client = cluster.client()                        # without sockets
        await client.put(b"greeting", b"hello")
        url = await cluster.listen()                     # for etcdctl and any other etcd client

    client = await connect("http://127.0.0.1:2379")      # any etcd v3, ours or a real one

Names are loaded when they are used, so importing the package costs nothing. Errors: kvcluster.errors.
"""

from __future__ import annotations

import importlib
from typing import Any

_IN_CLUSTER = ("Cluster", "ProcessCluster")

__all__ = [
    "Client",
    "Cluster",
    "Compare",
    "DeleteOp",
    "DeleteResult",
    "Event",
    "GetResult",
    "KeyValue",
    "LeaseInfo",
    "LeaseLost",
    "MemberInfo",
    "ProcessCluster",
    "PutIfResult",
    "PutOp",
    "PutResult",
    "RangeOp",
    "RangeResult",
    "Status",
    "TxnOp",
    "TxnResult",
    "WatchBatch",
    "Watcher",
    "connect",
    "keep_alive",
    "prefix_end",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module("kvcluster.cluster" if name in _IN_CLUSTER else "kvcluster.client")
    return getattr(home, name)


def __dir__() -> list[str]:
    return __all__
