"""What a run came to: the shares of its workers, merged. `Result.to_json()` is what scripts read; its names are kept.

throughput   operations a second (for watches: events delivered a second) over `duration_s`
generator    the workers' own CPU; `saturated`: a worker was busy more than SATURATED of the time, so the server may be faster
servers      CPU seconds and resident memory of the processes in plan.server_pids, while the run was measured
interrupted  why it ended early; everything else is what was measured until then
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kvcluster.load.plan import Plan
from kvcluster.load.recorder import merge
from kvcluster.load.workloads import module_of

VERSION = 1
SATURATED = 0.9


@dataclass(frozen=True, kw_only=True)
class Result:
    plan: Plan
    unit: str
    throughput: float
    operations: int
    duration_s: float
    mb_per_s: float
    errors: int
    error_texts: dict[str, int]
    latency_ms: dict[str, float]
    timeline: list[dict[str, Any]]
    generator: dict[str, Any]
    servers: list[dict[str, Any]]
    watch: dict[str, Any] | None
    interrupted: str | None
    histogram: str
    started_at: str
    program: str = field(default="kvcluster")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; see the module."""
        return {
            "version": VERSION,
            "workload": self.plan.workload,
            "unit": self.unit,
            "throughput": self.throughput,
            "operations": self.operations,
            "duration_s": self.duration_s,
            "mb_per_s": self.mb_per_s,
            "errors": self.errors,
            "error_texts": self.error_texts,
            "latency_ms": self.latency_ms,
            "timeline": self.timeline,
            "generator": self.generator,
            "servers": self.servers,
            "watch": self.watch,
            "interrupted": self.interrupted,
            "histogram": self.histogram,
            "plan": self.plan.to_dict(),
            "started_at": self.started_at,
            "program": self.program,
        }


def build_result(
    plan: Plan,
    shares: Sequence[Mapping[str, Any]],
    *,
    servers: Sequence[Mapping[str, float]] = (),
    interrupted: str | None = None,
    started_at: str = "",
    program: str = "kvcluster",
) -> Result:
    """From the shares of the workers that ended; none at all gives a result of zeros.

    servers: {"pid", "cpu_s", "rss_mb"} of each.
    """
    merged = merge(shares)
    operations = merged["operations"]
    begun = min((share["begun_s"] for share in shares), default=0.0)
    ended = max((share["ended_s"] for share in shares), default=0.0)
    duration_s = max(ended - begun, 0.0)
    watch = None
    merge_extras = getattr(module_of(plan.workload), "merge", None)
    if merge_extras is not None and shares:
        watch = merge_extras([share["extra"] for share in shares])
        duration_s = watch.get("delivering_s") or duration_s
        operations = watch.get("delivered", operations)
    cpu_s = sum(share["cpu_s"] for share in shares)
    busiest = max((share["cpu_share"] for share in shares), default=0.0)
    per_operation = operations or 1
    return Result(
        plan=plan,
        unit=next((share["unit"] for share in shares), "operations"),
        throughput=round(operations / duration_s, 3) if duration_s else 0.0,
        operations=operations,
        duration_s=round(duration_s, 6),
        mb_per_s=round(merged["moved_bytes"] / duration_s / 1e6, 3) if duration_s else 0.0,
        errors=merged["errors"],
        error_texts=merged["error_texts"],
        latency_ms=merged["latency_ms"],
        timeline=merged["timeline"],
        generator={
            "workers": len(shares),
            "cpu_s": round(cpu_s, 3),
            "cpu_share": round(busiest, 3),
            "saturated": busiest > SATURATED,
        },
        servers=[{**server, "cpu_us_per_op": round(server["cpu_s"] / per_operation * 1e6, 3)} for server in servers],
        watch=watch,
        interrupted=interrupted or next((share["interrupted"] for share in shares if share["interrupted"]), None),
        histogram=merged["histogram"],
        started_at=started_at,
        program=program,
    )
