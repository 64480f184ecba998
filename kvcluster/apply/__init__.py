"""Applying committed entries: the deterministic half of a request's life.

applier     the table by operation; the face of the package
txn_plan    a transaction, taken apart once for checks and execution
kv, txn, lease, attributes, alarm, auth, membership    what each operation does
ranges      reads, on the store or inside a transaction
wire        response bodies, laid by hand
state       what may be read and changed
"""

from kvcluster.apply import ops, txn_plan
from kvcluster.apply.alarm import alarms_body, has_puts
from kvcluster.apply.applied import Applied
from kvcluster.apply.applier import Applier
from kvcluster.apply.auth import check_lease_keys, check_txn_access, encode_identity
from kvcluster.apply.kv import PutFields, encode_put
from kvcluster.apply.membership import Membership, MembershipChange, Seat, encode_change
from kvcluster.apply.put_if import encode_put_if, plan_put_if
from kvcluster.apply.state import State
from kvcluster.apply.txn_plan import Op, TxnPlan, plan_txn

__all__ = [
    "Applied",
    "Applier",
    "Membership",
    "MembershipChange",
    "Op",
    "PutFields",
    "Seat",
    "State",
    "TxnPlan",
    "alarms_body",
    "check_lease_keys",
    "check_txn_access",
    "encode_change",
    "encode_identity",
    "encode_put",
    "encode_put_if",
    "has_puts",
    "ops",
    "plan_put_if",
    "plan_txn",
    "txn_plan",
]
