"""What bounds the work of the watch hub. Each limit names what happens at it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WatchLimits:
    """Limits of one round of catching up; what does not fit waits for the next round. ValueError below 1.

    max_batch_revisions: revisions of history that one round walks, and so the most that one delivery spans
        (etcd: watchBatchMaxRevs).
    max_watchers_per_round: subscriptions that one round looks at (etcd: maxWatchersPerSync).
    max_batch_bytes: a catch-up delivery ends with the revision that reaches this size. etcd has no such limit and
        can be made to answer gigabytes; a client cannot tell the difference.
    max_round_bytes: a round ends its walk with the revision that brings all its deliveries together to this size, so
        many different watchers of large values cannot make one round build all their answers at once.
    """

    max_batch_revisions: int = 1000
    max_watchers_per_round: int = 512
    max_batch_bytes: int = 1024 * 1024
    max_round_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        sizes = (self.max_batch_revisions, self.max_watchers_per_round, self.max_batch_bytes, self.max_round_bytes)
        if min(sizes) < 1:
            raise ValueError(f"every watch limit must be at least 1: {self}")
