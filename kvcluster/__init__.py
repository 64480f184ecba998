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

_HOMES = {
    "Cluster": "kvcluster.cluster",
    "ProcessCluster": "kvcluster.cluster",
    **dict.fromkeys(
        (
            "Client", "Compare", "DeleteOp", "DeleteResult", "Event", "GetResult", "KeyValue", "LeaseInfo", "LeaseLost",
            "MemberInfo", "PutIfResult", "PutOp", "PutResult", "RangeOp", "RangeResult", "Status", "TxnOp", "TxnResult",
            "WatchBatch", "Watcher", "connect", "keep_alive", "prefix_end",
        ),
        "kvcluster.client",
    ),
}  # fmt: skip

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
