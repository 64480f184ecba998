"""The figures of a result, by one flat name each: what the table, the comparison and --fail-if speak of.

throughput  mb_per_s  errors  mean_ms … max_ms  cpu_us_per_op  rss_mb  generator_share
of watches  lost  duplicates  out_of_order  fan_out  events_per_response  skew_p99_ms  lag_p99  puts_per_s
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kvcluster.errors import ConfigError

LATENCIES = ("mean", "p50", "p90", "p99", "p99.9", "p99.99", "max")
NEEDED = ("workload", "throughput", "unit", "latency_ms", "errors", "duration_s")


class Figure(NamedTuple):
    """better: "more", "less", or "" where neither is."""

    title: str
    unit: str
    better: str


FIGURES: dict[str, Figure] = {
    "throughput": Figure("throughput", "/s", "more"),
    "mb_per_s": Figure("bytes moved", "MB/s", "more"),
    "errors": Figure("errors", "", "less"),
    **{f"{name}_ms": Figure(f"latency {name}", "ms", "less") for name in LATENCIES},
    "cpu_us_per_op": Figure("server CPU per operation", "µs", "less"),
    "rss_mb": Figure("server memory, resident", "MB", "less"),
    "generator_share": Figure("generator CPU, of a core per worker", "", ""),
    "puts_per_s": Figure("puts", "/s", "more"),
    "fan_out": Figure("events delivered per put", "", ""),
    "events_per_response": Figure("events per response", "", ""),
    "skew_p99_ms": Figure("skew between watchers, p99", "ms", "less"),
    "lag_p99": Figure("lag behind the newest revision, p99", "revisions", "less"),
    "lost": Figure("events lost", "", "less"),
    "duplicates": Figure("events delivered twice", "", "less"),
    "out_of_order": Figure("events out of order", "", "less"),
}


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The figures that this result has, in the order of FIGURES."""
    found: dict[str, float] = {
        "throughput": result["throughput"],
        "mb_per_s": result.get("mb_per_s", 0.0),
        "errors": result["errors"],
        **{f"{name}_ms": value for name, value in result["latency_ms"].items()},
    }
    if servers := result.get("servers"):
        found["cpu_us_per_op"] = sum(server["cpu_us_per_op"] for server in servers)
        found["rss_mb"] = sum(server["rss_mb"] for server in servers)
    if generator := result.get("generator"):
        found["generator_share"] = generator["cpu_share"]
    if watch := result.get("watch"):
        for name in ("puts_per_s", "fan_out", "events_per_response", "lost", "duplicates", "out_of_order"):
            if name in watch:
                found[name] = watch[name]
        found["skew_p99_ms"] = watch.get("skew_ms", {}).get("p99", 0.0)
        found["lag_p99"] = watch.get("lag_revisions", {}).get("p99", 0.0)
    return {name: found[name] for name in FIGURES if name in found}


def read_result(path: Path) -> dict[str, Any]:
    """A file that --json wrote. Raises ConfigError, which names the file and what is wrong with it."""
    try:
        result = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    missing = [name for name in NEEDED if name not in result] if isinstance(result, dict) else list(NEEDED)
    if missing:
        raise ConfigError(f"{path}: not a result of `kvcluster bench`: it has no {', '.join(missing)}")
    return result


def encode_json(result: Mapping[str, Any]) -> str:
    """What `read_result` reads."""
    return json.dumps(result, indent=1) + "\n"


def show(value: float) -> str:
    """A number as a person reads it: thousands apart, and as many decimals as it deserves."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3f}"
