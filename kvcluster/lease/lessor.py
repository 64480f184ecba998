"""Leases: which keys live only as long as somebody keeps renewing.

What it is: the table of leases with their keys, and the order in which they expire, in logical time. What it is not:
it deletes no key and proposes nothing. A lease that has expired is only LISTED (`expired`); the leader proposes its
revocation, and the keys go when the revocation is applied, on every member in the same place of the log.

Two kinds of state, on purpose:

    replicated      id, TTL, keys              changed by grant, revoke, attach, detach: at apply, on every member
    the leader's    when each lease expires    changed by tick, renew, promote, demote: never replicated

    follower --promote(extend_ticks)--> primary         every lease starts anew with its full TTL + extension
             <--------demote()---------                 on a follower every lease lasts for ever

So renewals cost no log entry, and a new leader errs on the long side (etcd.md 2.8: leases are extended on a leader
change). Driven by the member: one `tick()` per tick; a tick is 1 / ticks_per_second seconds.

The expiry queue is a heap with ONE entry for each lease. A renewal only moves the lease's own expiry; when the entry
comes up too early it is pushed back. An entry whose lease is gone is dropped when it comes up, or when
such entries are more than half of the heap. So neither renewals nor grants that are revoked again make it grow.

Invariants (`_check`): each key belongs to at most one lease; a primary has exactly one live heap entry per lease, at or
before the lease's expiry; a follower has none.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from kvcluster.errors import LeaseExistsError, LeaseNotFoundError, LeaseTtlTooLargeError, NotLeaderError
from kvcluster.lease.snapshot import decode_snapshot, encode_snapshot

# lease.MaxLeaseTTL, in seconds: about 285 years.
MAX_TTL_S = 9_000_000_000

# A lease that was listed as expired and still exists is listed again after this time (etcd: leaseRevokeRetry).
RETRY_S = 3

# Below this many dead entries the heap is left alone.
_DEAD_ENTRIES_MIN = 64


class Lease:
    """One lease. `expiry_tick` is None on a follower: for ever. For reading only."""

    __slots__ = ("id", "ttl_s", "expiry_tick", "_keys", "_order")

    def __init__(self, id: int, ttl_s: int, order: int) -> None:
        self.id = id
        self.ttl_s = ttl_s
        self.expiry_tick: int | None = None
        self._keys: dict[bytes, None] = {}
        self._order = order

    @property
    def keys(self) -> list[bytes]:
        """The attached keys, sorted."""
        return sorted(self._keys)

    def __repr__(self) -> str:
        return f"Lease({self.id:x}, ttl_s={self.ttl_s}, keys={len(self._keys)})"


class Lessor:
    """See the module's contract.

    ticks_per_second: how logical time is measured. min_ttl_s: shorter TTLs are raised to it (etcd: 1.5 election
    timeouts, rounded up: 2 s at its defaults).
    """

    __slots__ = (
        "now_ticks",
        "is_primary",
        "_ticks_per_second",
        "_min_ttl_s",
        "_leases",
        "_lease_of",
        "_heap",
        "_granted",
    )

    def __init__(self, *, ticks_per_second: int = 10, min_ttl_s: int = 2) -> None:
        if ticks_per_second < 1 or not 1 <= min_ttl_s <= MAX_TTL_S:
            raise ValueError(f"ticks_per_second {ticks_per_second} and min_ttl_s {min_ttl_s} must be at least 1")
        self.now_ticks = 0
        self.is_primary = False
        self._ticks_per_second = ticks_per_second
        self._min_ttl_s = min_ttl_s
        self._leases: dict[int, Lease] = {}
        self._lease_of: dict[bytes, Lease] = {}
        self._heap: list[tuple[int, int, Lease]] = []  # (not after its expiry, grant order, lease)
        self._granted = 0

    # -- replicated: called at apply, on every member ---------------------------------------------------------------

    def grant(self, id: int, ttl_s: int) -> int:
        """Makes a lease; -> the TTL granted, in seconds.

        The id is chosen before the request enters the log. Raises LeaseNotFoundError for id 0 (as etcd's lessor
        does), LeaseTtlTooLargeError, LeaseExistsError.
        """
        if not id:
            raise LeaseNotFoundError
        if ttl_s > MAX_TTL_S:
            raise LeaseTtlTooLargeError
        if id in self._leases:
            raise LeaseExistsError
        self._granted += 1
        lease = Lease(id, max(ttl_s, self._min_ttl_s), self._granted)
        self._leases[id] = lease
        if self.is_primary:
            lease.expiry_tick = self.now_ticks + lease.ttl_s * self._ticks_per_second
            heappush(self._heap, (lease.expiry_tick, lease._order, lease))
        return lease.ttl_s

    def revoke(self, id: int) -> list[bytes]:
        """Ends a lease; -> its keys, sorted, which the caller deletes. Raises LeaseNotFoundError."""
        lease = self.get(id)
        keys = lease.keys
        for key in keys:
            del self._lease_of[key]
        lease._keys = {}
        del self._leases[id]
        self._drop_dead_entries()
        return keys

    def attach(self, key: bytes, id: int) -> None:
        """Makes `key` live with the lease; leaves another lease if it had one. Raises LeaseNotFoundError."""
        lease = self.get(id)
        before = self._lease_of.get(key)
        if before is not lease:
            if before is not None:
                del before._keys[key]
            self._lease_of[key] = lease
            lease._keys[key] = None

    def detach(self, key: bytes, id: int = 0) -> None:
        """Frees `key` from lease `id`, or from whichever lease it has (0); nothing where it has none or another."""
        lease = self._lease_of.get(key)
        if lease is not None and (not id or lease.id == id):
            del self._lease_of[key]
            del lease._keys[key]

    # -- the leader's -----------------------------------------------------------------------------------------------

    def promote(self, extend_ticks: int = 0) -> None:
        """This member leads from now on: every lease gets its full TTL and `extend_ticks` (an election timeout)."""
        self.is_primary = True
        self._heap = []
        for lease in self._leases.values():
            at = self.now_ticks + lease.ttl_s * self._ticks_per_second
            lease.expiry_tick = at + extend_ticks
            self._heap.append((at, lease._order, lease))  # not later than a renewal could make it
        heapify(self._heap)

    def demote(self) -> None:
        """This member leads no longer: nothing expires here."""
        self.is_primary = False
        self._heap = []
        for lease in self._leases.values():
            lease.expiry_tick = None

    def tick(self) -> None:
        """One tick of time has passed."""
        self.now_ticks += 1

    def renew(self, id: int) -> int:
        """Starts the TTL anew; -> the TTL in seconds.

        Raises NotLeaderError on a follower; LeaseNotFoundError for an unknown lease, and for one that has expired:
        its revocation is on the way and cannot be stopped (etcd.md 2.8: answered with TTL 0).
        """
        if not self.is_primary:
            raise NotLeaderError
        lease = self.get(id)
        if self._is_expired(lease):
            raise LeaseNotFoundError
        lease.expiry_tick = self.now_ticks + lease.ttl_s * self._ticks_per_second
        return lease.ttl_s

    def expired(self, limit: int = 500) -> list[int]:
        """Ids of up to `limit` leases that are past their expiry, earliest first; always empty on a follower.

        The caller proposes their revocation. A lease listed here is listed again only after RETRY_S, if it still
        exists then (the proposal may have been lost).
        """
        listed: list[int] = []
        heap = self._heap
        while heap and heap[0][0] <= self.now_ticks and len(listed) < limit:
            _, order, lease = heap[0]
            if self._leases.get(lease.id) is not lease:
                heappop(heap)
            elif lease.expiry_tick is not None and lease.expiry_tick > self.now_ticks:
                # A renewal may bring an extended expiry nearer, but never nearer than one TTL from now.
                at = min(lease.expiry_tick, self.now_ticks + lease.ttl_s * self._ticks_per_second)
                heapreplace(heap, (at, order, lease))
            else:
                listed.append(lease.id)
                heapreplace(heap, (self.now_ticks + RETRY_S * self._ticks_per_second, order, lease))
        return listed

    # -- reads ------------------------------------------------------------------------------------------------------

    def find(self, id: int) -> Lease | None:
        """The lease, or None."""
        return self._leases.get(id)

    def get(self, id: int) -> Lease:
        """The lease. Raises LeaseNotFoundError."""
        lease = self._leases.get(id)
        if lease is None:
            raise LeaseNotFoundError
        return lease

    def lease_of(self, key: bytes) -> int:
        """The id of the lease that `key` lives with; 0 for none."""
        lease = self._lease_of.get(key)
        return 0 if lease is None else lease.id

    def remaining_s(self, id: int) -> int:
        """Whole seconds left, 0 once expired; the full TTL on a follower, where it lasts. Raises LeaseNotFoundError."""
        lease = self.get(id)
        if lease.expiry_tick is None:
            return lease.ttl_s
        return max(0, (lease.expiry_tick - self.now_ticks) // self._ticks_per_second)

    def is_expired(self, id: int) -> bool:
        """Past its expiry, and not revoked yet. Raises LeaseNotFoundError."""
        return self._is_expired(self.get(id))

    def leases(self) -> list[Lease]:
        """All leases, the one that expires first in front; in order of their ids where that is equal or unknown."""
        return sorted(self._leases.values(), key=lambda lease: (lease.expiry_tick or 0, lease.id))

    def __len__(self) -> int:
        return len(self._leases)

    # -- snapshots --------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The replicated half as checked bytes: leases by id, each with its sorted keys."""
        by_id = sorted(self._leases.values(), key=lambda lease: lease.id)
        return encode_snapshot([(lease.id, lease.ttl_s, lease.keys) for lease in by_id])

    def restore(self, snapshot: bytes) -> None:
        """Becomes what `snapshot` holds, in place; a primary stays one and starts every TTL anew.

        Raises CorruptSnapshotError, and is then unchanged.
        """
        records = decode_snapshot(snapshot)
        self._leases, self._lease_of = {}, {}
        for id, ttl_s, keys in records:
            self._granted += 1
            lease = self._leases[id] = Lease(id, ttl_s, self._granted)
            for key in keys:
                lease._keys[key] = None
                self._lease_of[key] = lease
        if self.is_primary:
            self.promote()
        else:
            self.demote()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _is_expired(self, lease: Lease) -> bool:
        return lease.expiry_tick is not None and lease.expiry_tick <= self.now_ticks

    def _drop_dead_entries(self) -> None:
        dead = len(self._heap) - len(self._leases)
        if dead > _DEAD_ENTRIES_MIN and dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if self._leases.get(entry[2].id) is entry[2]]
            heapify(self._heap)

    def _check(self) -> None:
        """Raises AssertionError where an invariant is broken. For tests."""
        attached = {key: lease for lease in self._leases.values() for key in lease._keys}
        assert attached == self._lease_of
        assert len(attached) == sum(len(lease._keys) for lease in self._leases.values())
        entries = [entry for entry in self._heap if self._leases.get(entry[2].id) is entry[2]]
        assert len(entries) == (len(self._leases) if self.is_primary else 0)
        assert len(self._heap) <= 2 * len(self._leases) + 2 * _DEAD_ENTRIES_MIN
        for at, _, lease in entries:
            assert lease.expiry_tick is not None
            assert at <= lease.expiry_tick or self._is_expired(lease)
