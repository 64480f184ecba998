"""Clients of the store: what one looks like, and the one that speaks gRPC to any etcd v3.

    from kvcluster.client import connect

    async with await connect("http://127.0.0.1:2379") as client:
        await client.put(b"k", b"v")
        async for batch in await client.watch(b"k", start_revision=1): ...

calls, admin      every RPC as a method      concurrency   locks, elections, STM
namespace         keys under a prefix        sync          the same for programs without an event loop

Read interface.py first: the protocols and records, shared with the embedded client (kvcluster.embedded).
"""

from kvcluster.client import codec
from kvcluster.client.admin import READ, READWRITE, WRITE, Alarm, Permission
from kvcluster.client.calls import UnaryCalls
from kvcluster.client.concurrency import Election, Lock, NoLeader, NotLeader, Session, SessionExpired, Stm, run_stm
from kvcluster.client.endpoints import Endpoint, parse_endpoints
from kvcluster.client.errors import ClientClosedError, RpcError, UnavailableError, error_of, is_safe_to_repeat
from kvcluster.client.interface import (
    KV,
    Client,
    Compare,
    DeleteOp,
    DeleteResult,
    Event,
    GetResult,
    KeyValue,
    Lease,
    LeaseInfo,
    MemberInfo,
    Op,
    PutIfResult,
    PutOp,
    PutResult,
    RangeOp,
    RangeResult,
    Status,
    TxnOp,
    TxnResult,
    Watch,
    WatchBatch,
    Watcher,
    prefix_end,
)
from kvcluster.client.keepalive import KeepAlive, LeaseLost, keep_alive
from kvcluster.client.namespace import Namespaced
from kvcluster.client.queue import WatchQueue
from kvcluster.client.remote import RemoteClient, TlsConfig, connect

__all__ = [
    "KV",
    "READ",
    "READWRITE",
    "WRITE",
    "Alarm",
    "Client",
    "ClientClosedError",
    "Compare",
    "DeleteOp",
    "DeleteResult",
    "Election",
    "Endpoint",
    "Event",
    "GetResult",
    "KeepAlive",
    "KeyValue",
    "Lease",
    "LeaseInfo",
    "LeaseLost",
    "Lock",
    "MemberInfo",
    "Namespaced",
    "NoLeader",
    "NotLeader",
    "Op",
    "Permission",
    "PutIfResult",
    "PutOp",
    "PutResult",
    "RangeOp",
    "RangeResult",
    "RemoteClient",
    "RpcError",
    "Session",
    "SessionExpired",
    "Status",
    "Stm",
    "TlsConfig",
    "TxnOp",
    "TxnResult",
    "UnaryCalls",
    "UnavailableError",
    "Watch",
    "WatchBatch",
    "WatchQueue",
    "Watcher",
    "codec",
    "connect",
    "error_of",
    "is_safe_to_repeat",
    "keep_alive",
    "parse_endpoints",
    "prefix_end",
    "run_stm",
]
