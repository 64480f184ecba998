"""What a member tells of itself when it starts: its name and where clients reach it (etcd: member attributes); and the note that
the cluster is to be downgraded."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.apply.applied import Applied
from kvcluster.apply.state import State


def apply_attributes(state: State, member: pb.Member) -> Applied:
    state.attributes[member.ID] = (member.name, tuple(member.clientURLs))
    return Applied(state.store.revision)


def apply_downgrade(state: State, request: pb.DowngradeRequest) -> Applied:
    """Notes the target version; "" takes the note back."""
    state.downgrade_target = request.version
    return Applied(state.store.revision)
