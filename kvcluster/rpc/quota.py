"""--quota-backend-bytes: a write that would make the store as large as that is refused, and the NOSPACE alarm is raised.

As in etcd the check stands at the API of each member, before the log: what is on its way already may go a little over. The alarm
stays when space is freed; who frees it disarms it. Costs are etcd's (server/storage/quota.go): what an entry may add at most.
"""

from __future__ import annotations

from kvcluster import pb
from kvcluster.member import Member, TxnPlan, ops, txn_plan

NOSPACE = 1
LEASE_COST_BYTES = 64
PUT_COST_BYTES = 256
UNLIMITED_BYTES = 2**62
PARTS = 8
"""Of what is left, one is the allowance."""


class Quota:
    """limit_bytes 0: there is none. Who wants to write takes what it may cost off `allowance_bytes`, and asks when that is gone:

    quota.allowance_bytes -= at_most
    if quota.allowance_bytes < 0 and quota.is_exceeded_by(cost): refused

    So the hot path looks at the store once for many writes. The allowance is a part of what is left, and is given anew with every
    tick, because other members' clients use the same store.
    """

    __slots__ = ("allowance_bytes", "_limit_bytes", "_member")

    def __init__(self, member: Member, limit_bytes: int) -> None:
        self.allowance_bytes = 0 if limit_bytes else UNLIMITED_BYTES
        self._limit_bytes = limit_bytes
        self._member = member

    def tick(self) -> None:
        if self._limit_bytes:
            self.allowance_bytes = 0

    def is_exceeded_by(self, cost_bytes: int) -> bool:
        """Whether there is no room for it; the alarm is raised then. What costs nothing always has room."""
        member = self._member
        room = (self._limit_bytes or UNLIMITED_BYTES) - member.store.size_bytes
        if not cost_bytes or cost_bytes < room:
            self.allowance_bytes = max(room - cost_bytes, 0) // PARTS
            return False
        if (NOSPACE, member.id) not in member.applier.state.alarms:
            request = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=NOSPACE, memberID=member.id)
            member.propose(ops.ALARM, request.SerializeToString(), lambda applied: None, request)
        return True


def put_cost(request: pb.PutRequest) -> int:
    return PUT_COST_BYTES + len(request.key) + len(request.value)


def txn_cost(plan: TxnPlan) -> int:
    """That of the dearer branch."""
    return max(_branch_cost(plan.success), _branch_cost(plan.failure))


def _branch_cost(branch: list[txn_plan.Op]) -> int:
    cost = 0
    for kind, request in branch:
        if kind == txn_plan.PUT:
            cost += put_cost(request)
        elif kind == txn_plan.TXN:
            cost += txn_cost(request)
    return cost
