"""Applying committed entries: the deterministic half of a request's life.

applier     the table by operation; the face of the package
kv, txn, lease, attributes    what each operation does
ranges      reads, on the store or inside a transaction
wire        response bodies, laid by hand
state       what may be read and changed
"""

from kvcluster.apply import ops
from kvcluster.apply.applied import Applied
from kvcluster.apply.applier import Applier
from kvcluster.apply.state import State

__all__ = ["Applied", "Applier", "State", "ops"]
