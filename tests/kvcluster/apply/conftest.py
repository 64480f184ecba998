"""A state machine on its own: no raft, no member. Entries are applied as they would come from the log."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster import pb
from kvcluster.apply import Applied, Applier, State
from kvcluster.lease import Lessor
from kvcluster.mvcc import Store
from kvcluster.watch import Hub, Subscription


class Bench:
    """An applier whose published events are collected by a watcher of everything."""

    def __init__(self) -> None:
        self.store = Store()
        self.lessor = Lessor()
        self.hub = Hub(self.store)
        self.applier = Applier(State(self.store, self.lessor, self.hub))
        self.deliveries: list[tuple[int, bytes]] = []
        self.hub.subscribe(b"\0", b"\0", prev_kv=True, sink=self)

    def deliver(self, subscription: Subscription, revision: int, events: bytes, count: int) -> bool:
        self.deliveries.append((revision, events))
        return True

    def compacted(self, subscription: Subscription, compact_revision: int) -> None:
        raise AssertionError("the watcher is always in time")

    def apply(self, op: int, request: Any) -> Applied:
        """From bytes, as another member's entry; every revision must have reached the hub."""
        applied = self.applier.apply(op, request.SerializeToString())
        self.hub.flush()
        assert self.hub.revision == self.store.revision == applied.revision
        self.store._check()
        self.lessor._check()
        return applied

    def events(self) -> list[tuple[int, str, bytes]]:
        """(revision, "put" or "delete", key) of everything published so far."""
        found = []
        for _, events in self.deliveries:
            for event in pb.WatchResponse.FromString(events).events:
                kind = "delete" if event.type == pb.Event.DELETE else "put"
                found.append((event.kv.mod_revision, kind, event.kv.key))
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()
