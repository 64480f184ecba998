"""The member: consensus, state machine, leases and watchers in one pure, synchronous object.

Read member.py first: its contract is the shell's. rpc and the shells see `apply` and `raft` only through this package.
"""

from kvcluster.apply import (
    Applied,
    MembershipChange,
    Op,
    PutFields,
    TxnPlan,
    alarms_body,
    check_lease_keys,
    check_txn_access,
    encode_put,
    encode_put_if,
    has_puts,
    ops,
    plan_put_if,
    plan_txn,
    txn_plan,
)
from kvcluster.member import membership
from kvcluster.member.backup import Backup
from kvcluster.member.config import MemberConfig, MemberRecord, cluster_id, member_id
from kvcluster.member.forwarding import (
    LeaseAnswer,
    LeaseRequest,
    PeerMessage,
    decode_peer_message,
    encode_peer_message,
)
from kvcluster.member.member import Member

__all__ = [
    "Applied",
    "Backup",
    "LeaseAnswer",
    "LeaseRequest",
    "Member",
    "MemberConfig",
    "MemberRecord",
    "MembershipChange",
    "Op",
    "PeerMessage",
    "PutFields",
    "TxnPlan",
    "alarms_body",
    "check_lease_keys",
    "check_txn_access",
    "cluster_id",
    "decode_peer_message",
    "encode_put",
    "encode_put_if",
    "plan_put_if",
    "has_puts",
    "encode_peer_message",
    "member_id",
    "membership",
    "ops",
    "plan_txn",
    "txn_plan",
]
