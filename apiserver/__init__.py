"""A Kubernetes-style control plane in pure Python, on a store that speaks etcd.

    from apiserver import LocalCluster

    async with LocalCluster(nodes=3) as cluster:
        ...                                      # cluster.url for any client, cluster.client() without sockets

Names are loaded when they are used, so importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "AccessConfig": "apiserver.config",
    "LocalCluster": "apiserver.cluster",
    "Client": "apiserver.client",
    "StatusError": "apiserver.errors",
    "User": "apiserver.auth",
}

__all__ = ["AccessConfig", "Client", "LocalCluster", "StatusError", "User"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
