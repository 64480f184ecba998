"""What a member tells of itself when it starts: its name and where clients reach it (etcd: member attributes)."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.apply.applied import Applied
from kvcluster.apply.state import State


def apply_attributes(state: State, member: pb.Member) -> Applied:
    state.attributes[member.ID] = (member.name, tuple(member.clientURLs))
    return Applied(state.store.revision)
