"""Lease grant and revoke, applied. Renewals are the leader's and never enter the log (lease/lessor.py says why)."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.apply.applied import Applied
from kvcluster.apply.kv import publish
from kvcluster.apply.state import State
from kvcluster.apply.wire import lease_grant_body


def apply_lease_grant(state: State, request: pb.LeaseGrantRequest) -> Applied:
    """The id was chosen before the request entered the log. Raises LeaseExistsError, LeaseTtlTooLargeError."""
    ttl_s = state.lessor.grant(request.ID, request.TTL)
    return Applied(state.store.revision, lease_grant_body(request.ID, ttl_s))


def apply_lease_revoke(state: State, request: pb.LeaseRevokeRequest) -> Applied:
    """Deletes the lease's keys, sorted, in one revision (etcd.md 2.8). Raises LeaseNotFoundError."""
    keys = state.lessor.revoke(request.ID)
    txn = state.store.begin()
    for key in keys:
        txn.delete_range(key)
    publish(state, txn.commit())
    return Applied(state.store.revision)
