"""The etcd API without sockets: request bytes → member → response bytes.

methods     the table that transports serve
kv, range_stream, watch, lease, cluster, maintenance, downgrade, auth, lock, election, health, reflection    services
access, tokens, passwords    who asks, and may they
recipe      waiting without an event loop, for lock and election
checks      what is refused before it is proposed
status      the only map from error to gRPC code
"""

from kvcluster.rpc.methods import AuthOptions, RpcServices
from kvcluster.rpc.status import status_of
from kvcluster.rpc.version import CLUSTER_VERSION, SERVER_VERSION

__all__ = ["AuthOptions", "CLUSTER_VERSION", "SERVER_VERSION", "RpcServices", "status_of"]
