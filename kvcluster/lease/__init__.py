"""Leases in logical time: the table, the keys, the order of expiry.

    lessor = Lessor(ticks_per_second=10, min_ttl_s=2)
    lessor.grant(7, ttl_s=5); lessor.attach(b"key", 7)
    lessor.promote(extend_ticks=10)          # this member leads: from now on leases run out
    lessor.tick(); lessor.renew(7); lessor.expired(500)

Read lessor.py first. Rules: etcd's (server/lease).
"""

from kvcluster.lease.lessor import MAX_TTL_S, RETRY_S, Lease, Lessor

__all__ = ["MAX_TTL_S", "RETRY_S", "Lease", "Lessor"]
