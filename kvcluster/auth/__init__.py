"""Who may do what: users, roles, permissions on key ranges, and the rules that etcd has for them. Pure.

store     the replicated state and its changes
ranges    the keys that a set of permissions covers
"""

from kvcluster.auth.ranges import END_OF_KEYS, KeyRanges
from kvcluster.auth.store import (
    NOBODY,
    READ,
    READWRITE,
    ROOT,
    SYSTEM,
    WRITE,
    AuthStore,
    Identity,
    Permission,
    User,
)

__all__ = [
    "AuthStore",
    "END_OF_KEYS",
    "Identity",
    "KeyRanges",
    "NOBODY",
    "Permission",
    "READ",
    "READWRITE",
    "ROOT",
    "SYSTEM",
    "User",
    "WRITE",
]
