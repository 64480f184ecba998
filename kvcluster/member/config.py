"""Who is in the cluster and how this member behaves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class MemberRecord(NamedTuple):
    """A member as the others know it. client_urls and name come from the member itself, once it runs."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...] = ()
    is_learner: bool = False


def member_id(peer_urls: Sequence[str], cluster_token: str, added_ns: int | None = None) -> int:
    """The first 8 bytes of SHA-1 over the sorted peer URLs, the cluster's token and the time at which it was added (etcd:
    NewMember; members that begin a cluster have no such time)."""
    text = "".join(sorted(peer_urls)) + cluster_token + ("" if added_ns is None else str(added_ns))
    return int.from_bytes(hashlib.sha1(text.encode()).digest()[:8], "big") or 1


def cluster_id(member_ids: Sequence[int]) -> int:
    """The first 8 bytes of SHA-1 over the sorted member ids (etcd: RaftCluster.genID)."""
    digest = hashlib.sha1(b"".join(id.to_bytes(8, "big") for id in sorted(member_ids)))
    return int.from_bytes(digest.digest()[:8], "big") or 1


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """Times are in ticks of `tick_ms` milliseconds. Raises ValueError for what cannot work.

    incarnation: must differ at every start of the member, even on the same storage: it keeps the answers to requests of
    an earlier life from being taken for answers to this life's.
    """

    id: int
    members: tuple[MemberRecord, ...]
    # Of a member that joins a cluster that is there already: it waits to be sent the log, and `members` is what it was told of
    # them. 0: the members begin a new cluster.
    joins_cluster_id: int = 0
    incarnation: int = 0
    seed: int = 0
    tick_ms: int = 100
    election_ticks: int = 10
    heartbeat_ticks: int = 1
    # etcd's request timeout: 5 s + 2 election timeouts. A request that is not applied by then is answered with it.
    request_timeout_ticks: int = 70
    # A read without an index and a lease question without an answer are asked again after this time (etcd: 500 ms).
    read_retry_ticks: int = 5
    # etcd's --max-request-bytes; a larger request is refused.
    max_request_bytes: int = 1536 * 1024
    # Requests that wait for their turn or their commit; beyond it they are refused with "too many requests".
    max_pending_requests: int = 100_000
    # Durable logs: a snapshot is made after this many entries, and when they weigh twice as much as the last one, so that
    # its cost stays in proportion; or max_log_bytes.
    snapshot_entries: int = 10_000
    # Entries that stay for members that lag a little (etcd: --snapshot-catchup-entries), and what they may weigh.
    catch_up_entries: int = 5_000
    max_catch_up_bytes: int = 32 << 20
    # What a log may weigh in all: where a durable one gets its snapshot however large that is, and a volatile one gives up
    # the snapshot that it waits for.
    max_log_bytes: int = 256 << 20
    # Volatile logs: how long a snapshot is held when no member is seen to need it.
    snapshot_hold_ticks: int = 20
    # Expired leases: looked for every `lease_check_ticks`, so many at a time, so many revocations in flight (etcd: 500 ms,
    # 500, 16). What does not fit waits for the next look.
    lease_check_ticks: int = 5
    max_expired_leases: int = 500
    max_lease_revokes: int = 16

    def __post_init__(self) -> None:
        ids = [record.id for record in self.members]
        if self.id not in ids:
            raise ValueError(f"member {self.id:x} is not among the members of the cluster")
        if len(dict.fromkeys(ids)) != len(ids):
            raise ValueError("two members of the cluster have the same id")
        if not 1 <= self.tick_ms <= 1000:
            raise ValueError(f"tick_ms must be from 1 to 1000, not {self.tick_ms}")
        for name in ("request_timeout_ticks", "max_request_bytes", "max_pending_requests", "snapshot_entries",
                     "max_catch_up_bytes", "max_log_bytes", "snapshot_hold_ticks",
                     "read_retry_ticks", "lease_check_ticks", "max_expired_leases", "max_lease_revokes"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.max_log_bytes < 2 * self.max_catch_up_bytes:
            raise ValueError("max_log_bytes must be at least twice max_catch_up_bytes")

    @property
    def cluster_id(self) -> int:
        return self.joins_cluster_id or cluster_id([record.id for record in self.members])

    @property
    def record(self) -> MemberRecord:
        """This member's own."""
        return next(record for record in self.members if record.id == self.id)

    @property
    def min_lease_ttl_s(self) -> int:
        """1.5 election timeouts, rounded up: 2 s at the defaults (etcd)."""
        return max(-(-3 * self.election_ticks * self.tick_ms // 2000), 1)
