"""What a run is: one flat record of plain values, so that it travels to worker processes and into the result as JSON.

Names are those of etcd's `benchmark` where they mean the same. A plan that cannot be run raises PlanError, which names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from kvcluster.errors import ConfigError

DEFAULT_DURATION_S = 10.0
MAX_VALUE_BYTES = 64 * 1024 * 1024
CHOICES = {
    "workload": ("put", "range", "txn", "mixed", "watch", "watch-latency", "lease", "kube-watch"),
    "consistency": ("l", "s"),
    "mode": ("create", "cas"),
    "watched": ("prefix", "key", "overlapping"),
    "clock": ("perf_counter", "time"),
}


class PlanError(ConfigError, ValueError):
    """A plan that cannot be run."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """See the module. Sizes in bytes, times in seconds, rates per second over all workers; 0 means "not this way".

    total: operations in all; duration_s: otherwise; neither: DEFAULT_DURATION_S. rate: open loop instead of `clients` callers.
    key_space_size: how many keys there are, drawn by `seed`, or one after the other with sequential_keys. range_keys: keys that
    one prefix range returns, 0 = ranges of one key. put_total, put_rate: the writer's, of watch
    workloads, where a duration_s replaces put_total.
    """

    workload: str
    endpoints: list[str] = field(default_factory=lambda: ["http://127.0.0.1:2379"])
    conns: int = 1
    clients: int = 1
    total: int = 0
    duration_s: float = 0.0
    rate: float = 0.0
    warm_up_s: float = 1.0
    seed: int = 1
    workers: int = 1
    timeout_s: float = 30.0
    clock: str = "perf_counter"

    prefix: str = "bench/"
    key_size: int = 16
    val_size: int = 256
    key_space_size: int = 1000
    sequential_keys: bool = False
    consistency: str = "l"
    range_keys: int = 0
    range_limit: int = 0
    mode: str = "create"
    read_ratio: float = 0.5

    streams: int = 10
    watch_per_stream: int = 10
    watched: str = "prefix"
    watched_keys: int = 1000
    put_total: int = 1000
    put_rate: float = 0.0
    prev_kv: bool = False
    progress_notify: bool = False
    leases: int = 100

    resource: str = "configmaps"
    namespace: str = "bench"
    objects: int = 100
    informers: int = 10
    token_file: str = ""
    ca_file: str = ""

    server_pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise PlanError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        for name in ("conns", "clients", "workers", "key_size", "key_space_size", "streams", "watch_per_stream",
                     "watched_keys", "put_total", "leases", "objects", "informers"):  # fmt: skip
            if getattr(self, name) < 1:
                raise PlanError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("total", "duration_s", "rate", "warm_up_s", "val_size", "range_keys", "range_limit", "put_rate"):
            if getattr(self, name) < 0:
                raise PlanError(f"{name} must not be negative: {getattr(self, name)}")
        if not self.timeout_s > 0:
            raise PlanError(f"timeout_s must be above 0, not {self.timeout_s}")
        if not 0 <= self.read_ratio <= 1:
            raise PlanError(f"read_ratio must be from 0 to 1, not {self.read_ratio}")
        if self.val_size > MAX_VALUE_BYTES:
            raise PlanError(f"val_size must be at most {MAX_VALUE_BYTES}, not {self.val_size}")
        if not self.endpoints:
            raise PlanError("endpoints must name at least one server")
        if not self.prefix:
            raise PlanError("prefix must not be empty: a run writes below it only")

    @property
    def limit_s(self) -> float:
        """How long the measured part may take; 0 where `total` ends it."""
        return self.duration_s or (0.0 if self.total else DEFAULT_DURATION_S)

    def share(self, amount: int, index: int) -> int:
        """Worker `index`'s part of `amount`: parts differ by one at most and add up."""
        return (amount + self.workers - 1 - index) // self.workers

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """Raises PlanError for a field that there is not."""
        known = {each.name for each in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise PlanError(f"a plan has no field {', '.join(unknown)}")
        return cls(**values)
