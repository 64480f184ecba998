"""The lessor, rule by rule (etcd.md 2.8)."""

from __future__ import annotations

import struct
import zlib

import pytest

from kvcluster.errors import (
    CorruptSnapshotError,
    LeaseExistsError,
    LeaseNotFoundError,
    LeaseTtlTooLargeError,
    NotLeaderError,
)
from kvcluster.lease import MAX_TTL_S, RETRY_S, Lessor

TICKS = 10  # a second


def _primary(extend_ticks: int = 0) -> Lessor:
    lessor = Lessor(ticks_per_second=TICKS, min_ttl_s=2)
    lessor.promote(extend_ticks)
    return lessor


def _pass(lessor: Lessor, ticks: int) -> None:
    for _ in range(ticks):
        lessor.tick()


# -- grant ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "granted"), [(5, 5), (2, 2), (1, 2), (0, 2), (-7, 2), (MAX_TTL_S, MAX_TTL_S)])
def test_short_ttls_are_raised(asked: int, granted: int):
    lessor = _primary()
    assert lessor.grant(7, asked) == granted
    assert lessor.get(7).ttl_s == lessor.remaining_s(7) == granted


def test_refused_grants():
    lessor = _primary()
    lessor.grant(7, 5)
    with pytest.raises(LeaseExistsError, match="^etcdserver: lease already exists$"):
        lessor.grant(7, 5)
    with pytest.raises(LeaseTtlTooLargeError, match="^etcdserver: too large lease TTL$"):
        lessor.grant(8, MAX_TTL_S + 1)
    with pytest.raises(LeaseNotFoundError):
        lessor.grant(0, 5)
    assert [lease.id for lease in lessor.leases()] == [7] and len(lessor) == 1


def test_unknown_leases():
    lessor = _primary()
    for call in (lessor.get, lessor.revoke, lessor.renew, lessor.remaining_s, lessor.is_expired):
        with pytest.raises(LeaseNotFoundError, match="^etcdserver: requested lease not found$"):
            call(5)
    with pytest.raises(LeaseNotFoundError):
        lessor.attach(b"a", 5)
    assert lessor.find(5) is None


@pytest.mark.parametrize(("ticks_per_second", "min_ttl_s"), [(0, 2), (10, 0), (-1, 5), (10, MAX_TTL_S + 1)])
def test_settings_that_make_no_sense(ticks_per_second: int, min_ttl_s: int):
    with pytest.raises(ValueError, match="must be at least 1"):
        Lessor(ticks_per_second=ticks_per_second, min_ttl_s=min_ttl_s)


# -- keys -------------------------------------------------------------------------------------------------------------


def test_revoke_names_the_keys_sorted():
    lessor = _primary()
    lessor.grant(7, 5)
    for key in (b"c", b"a", b"b", b"a"):
        lessor.attach(key, 7)
    assert lessor.get(7).keys == [b"a", b"b", b"c"]
    lessor.detach(b"b")
    assert lessor.revoke(7) == [b"a", b"c"]
    assert lessor.lease_of(b"a") == 0 and lessor.find(7) is None
    lessor._check()


def test_a_key_lives_with_one_lease():
    lessor = _primary()
    lessor.grant(7, 5)
    lessor.grant(8, 5)
    lessor.attach(b"a", 7)
    lessor.attach(b"a", 8)
    assert (lessor.get(7).keys, lessor.get(8).keys, lessor.lease_of(b"a")) == ([], [b"a"], 8)
    lessor.detach(b"a", 7)
    assert lessor.lease_of(b"a") == 8, "it was not the lease named"
    lessor.detach(b"a", 8)
    lessor.detach(b"never attached")
    assert lessor.lease_of(b"a") == 0
    lessor._check()


# -- time -------------------------------------------------------------------------------------------------------------


def test_a_lease_expires_when_its_ttl_is_over():
    lessor = _primary()
    lessor.grant(7, 5)
    _pass(lessor, 5 * TICKS - 1)
    assert lessor.expired() == [] and lessor.remaining_s(7) == 0 and not lessor.is_expired(7)
    lessor.tick()
    assert lessor.expired() == [7] and lessor.is_expired(7)
    assert lessor.find(7) is not None, "listed, not gone: the revocation goes through the log"


def test_remaining_seconds_are_rounded_down():
    lessor = _primary()
    lessor.grant(7, 5)
    assert lessor.remaining_s(7) == 5
    lessor.tick()
    assert lessor.remaining_s(7) == 4
    _pass(lessor, 1000)
    assert lessor.remaining_s(7) == 0


def test_an_expired_lease_is_listed_again_if_nobody_revoked_it():
    lessor = _primary()
    lessor.grant(7, 2)
    _pass(lessor, 2 * TICKS)
    assert lessor.expired() == [7]
    assert lessor.expired() == []
    _pass(lessor, RETRY_S * TICKS - 1)
    assert lessor.expired() == []
    lessor.tick()
    assert lessor.expired() == [7], "the proposal may have been lost"
    lessor.revoke(7)
    _pass(lessor, 100)
    assert lessor.expired() == []
    lessor._check()


def test_renewing_starts_the_ttl_anew():
    lessor = _primary()
    lessor.grant(7, 5)
    for _ in range(10):
        _pass(lessor, 4 * TICKS)
        assert lessor.renew(7) == 5
        assert lessor.expired() == []
        lessor._check()
    _pass(lessor, 5 * TICKS)
    with pytest.raises(LeaseNotFoundError):
        lessor.renew(7)  # too late, although nobody has listed it yet
    assert lessor.expired() == [7]


def test_expired_is_bounded_and_in_order():
    lessor = _primary()
    for id, ttl_s in ((3, 9), (1, 4), (2, 4), (5, 2), (4, 100)):
        lessor.grant(id, ttl_s)
    _pass(lessor, 20 * TICKS)
    assert lessor.expired(2) == [5, 1]
    assert lessor.expired(2) == [2, 3]
    assert lessor.expired(2) == []


def test_leases_are_listed_by_expiry():
    lessor = _primary()
    for id, ttl_s in ((3, 9), (1, 4), (2, 4)):
        lessor.grant(id, ttl_s)
    assert [lease.id for lease in lessor.leases()] == [1, 2, 3]
    _pass(lessor, TICKS)
    lessor.renew(1)
    assert [lease.id for lease in lessor.leases()] == [2, 1, 3]


# -- leader and follower ----------------------------------------------------------------------------------------------


def test_nothing_expires_on_a_follower():
    lessor = Lessor(ticks_per_second=TICKS, min_ttl_s=2)
    lessor.grant(7, 2)
    _pass(lessor, 1000)
    assert lessor.expired() == [] and lessor.remaining_s(7) == 2 and not lessor.is_expired(7)
    with pytest.raises(NotLeaderError):
        lessor.renew(7)


def test_a_new_leader_extends_every_lease():
    lessor = Lessor(ticks_per_second=TICKS, min_ttl_s=2)
    lessor.grant(7, 5)
    _pass(lessor, 1000)
    lessor.promote(extend_ticks=10)
    _pass(lessor, 5 * TICKS + 9)
    assert lessor.expired() == []
    lessor.tick()
    assert lessor.expired() == [7]
    lessor.promote(extend_ticks=0)
    assert lessor.expired() == [] and lessor.remaining_s(7) == 5
    lessor.demote()
    _pass(lessor, 1000)
    assert lessor.expired() == []
    lessor._check()


def test_a_renewal_ends_the_extension():
    """The extension is for clients that could not renew meanwhile; one that does is back to its TTL, not above it."""
    lessor = Lessor(ticks_per_second=TICKS, min_ttl_s=2)
    lessor.grant(7, 2)
    lessor.promote(extend_ticks=100)
    assert lessor.renew(7) == 2
    _pass(lessor, 2 * TICKS)
    assert lessor.expired() == [7]
    lessor._check()


def test_the_heap_does_not_grow_with_renewals_or_short_lives():
    lessor = _primary()
    lessor.grant(1, 1000)
    for id in range(2, 3000):
        lessor.grant(id, 100_000)
        lessor.renew(1)
        lessor.revoke(id)
        if id % 200 == 0:
            lessor._check()
    assert len(lessor._heap) < 200


def test_an_id_may_be_granted_again():
    """The heap entry of the first life does not end the second."""
    lessor = _primary()
    lessor.grant(7, 2)
    lessor.revoke(7)
    lessor.grant(7, 50)
    _pass(lessor, 3 * TICKS)
    assert lessor.expired() == []
    lessor._check()


# -- snapshots --------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_the_replicated_half():
    lessor, other = _primary(), Lessor(ticks_per_second=TICKS, min_ttl_s=2)
    for id in (9, -3, 7):
        lessor.grant(id, 5 + abs(id))
        lessor.attach(b"k%d" % id, id)
    lessor.attach(b"", 9)
    _pass(lessor, 13)
    other.grant(1, 5)
    other.restore(lessor.snapshot())
    assert other.snapshot() == lessor.snapshot()
    assert [(lease.id, lease.ttl_s, lease.keys) for lease in other.leases()] == [
        (-3, 8, [b"k-3"]),
        (7, 12, [b"k7"]),
        (9, 14, [b"", b"k9"]),
    ]
    assert other.lease_of(b"k7") == 7 and not other.is_primary
    lessor.restore(lessor.snapshot())
    assert lessor.is_primary and lessor.remaining_s(7) == 12
    other._check()
    lessor._check()


@pytest.mark.parametrize("position", [0, 4, 8, 12, 20, 30, -1])
def test_damaged_snapshots_change_nothing(position: int):
    lessor = _primary()
    lessor.grant(7, 5)
    lessor.attach(b"key", 7)
    before = lessor.snapshot()
    damaged = bytearray(before)
    damaged[position] ^= 1
    for wrong in (bytes(damaged), before[:-1], b""):
        with pytest.raises(CorruptSnapshotError, match="snapshot"):
            lessor.restore(wrong)
    assert lessor.snapshot() == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack("<Q", 1),
        struct.pack("<QqqI", 1, 7, 5, 1),
        struct.pack("<QqqII", 1, 7, 5, 1, 100) + b"short",
        struct.pack("<Q", 0) + b"left over",
    ],
)
def test_a_body_that_lies_behind_a_good_checksum(body: bytes):
    header = struct.pack("<4sHHIQ", b"kvls", 1, 0, zlib.crc32(body), len(body))
    with pytest.raises(CorruptSnapshotError):
        Lessor().restore(header + body)
