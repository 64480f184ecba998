"""The replicated state machine: everything that applying an entry may read or change.

Two members that have applied the same entries hold the same State, but for what is the leader's own (lease expiry) and the
member's own (its watchers). `attributes` is what members tell of themselves: id → (name, client URLs).
`alarms`: (type, member id), in the order in which they were raised. `downgrade_target`: a version, or empty.
"""

from __future__ import annotations

from kvcluster.apply.membership import Membership
from kvcluster.auth import AuthStore
from kvcluster.lease import Lessor
from kvcluster.mvcc import Store
from kvcluster.watch import Hub


class State:
    __slots__ = ("store", "lessor", "hub", "attributes", "alarms", "auth", "downgrade_target", "membership")

    def __init__(self, store: Store, lessor: Lessor, hub: Hub) -> None:
        self.store = store
        self.lessor = lessor
        self.hub = hub
        self.attributes: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.alarms: dict[tuple[int, int], None] = {}
        self.auth = AuthStore()
        self.downgrade_target = ""
        self.membership = Membership()
