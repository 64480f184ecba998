"""The lessor against an obviously correct twin: a dict of leases, and a walk over all of it for every question."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcluster.errors import LeaseExistsError, LeaseNotFoundError, NotLeaderError
from kvcluster.lease import RETRY_S, Lessor

TICKS = 2
IDS = st.integers(1, 5)
KEYS = st.sampled_from([b"a", b"b", b"c"])


@dataclass
class SlowLease:
    ttl_s: int
    order: int
    expiry: int | None = None
    retry: int = 0
    keys: set[bytes] = field(default_factory=set)


class LessorAgainstTwin(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lessor = Lessor(ticks_per_second=TICKS, min_ttl_s=2)
        self.twin: dict[int, SlowLease] = {}
        self.now = 0
        self.primary = False
        self.granted = 0

    def _start(self, lease: SlowLease, extend_ticks: int = 0) -> None:
        lease.expiry = self.now + lease.ttl_s * TICKS + extend_ticks if self.primary else None
        lease.retry = 0

    @rule(id=IDS, ttl_s=st.integers(0, 6))
    def grant(self, id: int, ttl_s: int) -> None:
        if id in self.twin:
            with pytest.raises(LeaseExistsError):
                self.lessor.grant(id, ttl_s)
            return
        self.granted += 1
        lease = self.twin[id] = SlowLease(max(2, ttl_s), self.granted)
        self._start(lease)
        assert self.lessor.grant(id, ttl_s) == lease.ttl_s

    @rule(id=IDS)
    def revoke(self, id: int) -> None:
        if id in self.twin:
            assert self.lessor.revoke(id) == sorted(self.twin.pop(id).keys)
        else:
            with pytest.raises(LeaseNotFoundError):
                self.lessor.revoke(id)

    @rule(key=KEYS, id=IDS)
    def attach(self, key: bytes, id: int) -> None:
        if id not in self.twin:
            with pytest.raises(LeaseNotFoundError):
                self.lessor.attach(key, id)
            return
        self.lessor.attach(key, id)
        for lease in self.twin.values():
            lease.keys.discard(key)
        self.twin[id].keys.add(key)

    @rule(key=KEYS, id=st.integers(0, 5))
    def detach(self, key: bytes, id: int) -> None:
        self.lessor.detach(key, id)
        for other, lease in self.twin.items():
            if id in (0, other):
                lease.keys.discard(key)

    @rule(ticks=st.integers(1, 5))
    def tick(self, ticks: int) -> None:
        for _ in range(ticks):
            self.lessor.tick()
        self.now += ticks

    @rule(id=IDS)
    def renew(self, id: int) -> None:
        lease = self.twin.get(id)
        if not self.primary:
            with pytest.raises(NotLeaderError):
                self.lessor.renew(id)
        elif lease is None or lease.expiry <= self.now:
            with pytest.raises(LeaseNotFoundError):
                self.lessor.renew(id)
        else:
            assert self.lessor.renew(id) == lease.ttl_s
            self._start(lease)

    @rule()
    def expired(self) -> None:
        due = [id for id, lease in self.twin.items() if self.primary and max(lease.expiry, lease.retry) <= self.now]
        assert sorted(self.lessor.expired()) == sorted(due)
        for id in due:
            self.twin[id].retry = self.now + RETRY_S * TICKS

    @rule(extend_ticks=st.integers(0, 20))
    def promote(self, extend_ticks: int) -> None:
        self.primary = True
        self.lessor.promote(extend_ticks)
        for lease in self.twin.values():
            self._start(lease, extend_ticks)

    @rule()
    def demote(self) -> None:
        self.primary = False
        self.lessor.demote()
        for lease in self.twin.values():
            self._start(lease)

    @rule()
    def snapshot_and_restore(self) -> None:
        self.lessor.restore(self.lessor.snapshot())
        for lease in self.twin.values():
            self._start(lease)

    @invariant()
    def is_the_twin(self) -> None:
        self.lessor._check()
        listed = [(lease.id, lease.ttl_s, lease.keys) for lease in self.lessor.leases()]
        by_expiry = sorted(self.twin.items(), key=lambda item: (item[1].expiry or 0, item[0]))
        assert listed == [(id, lease.ttl_s, sorted(lease.keys)) for id, lease in by_expiry]
        for id, lease in self.twin.items():
            left = lease.ttl_s if lease.expiry is None else max(0, (lease.expiry - self.now) // TICKS)
            assert self.lessor.remaining_s(id) == left


TestLessorAgainstTwin = LessorAgainstTwin.TestCase
TestLessorAgainstTwin.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
