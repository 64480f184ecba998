"""The report on a terminal, in the order of etcd's `benchmark`: summary, histogram of response times, distribution, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvcluster.load.recorder import decode_histogram
from kvcluster.load.report.figures import FIGURES, figures_of, show

BAR_WIDTH = 40
ROWS = 10
DISTRIBUTION = (10, 25, 50, 75, 90, 95, 99, 99.9, 99.99)
WATCH_FIGURES = ("puts_per_s", "fan_out", "events_per_response", "skew_p99_ms", "lag_p99", "lost", "duplicates",
                 "out_of_order")  # fmt: skip


def build_text(result: Mapping[str, Any]) -> str:
    """A few dozen lines; ends with a newline."""
    latency = result["latency_ms"]
    lines = []
    if result.get("interrupted"):
        lines += [f"INTERRUPTED: {result['interrupted']}", "What follows was measured until then.", ""]
    lines += [
        "Summary:",
        *_rows(
            ("Workload", result["workload"]),
            ("Total", f"{result['duration_s']:.4f} s, {show(result.get('operations', 0))} {result['unit']}"),
            ("Slowest", _ms(latency["max"])),
            ("Fastest", _ms(latency.get("min", 0.0))),
            ("Average", _ms(latency.get("mean", 0.0))),
            ("Stddev", _ms(latency.get("stddev", 0.0))),
            (f"{result['unit'].capitalize()}/sec", f"{result['throughput']:,.1f}"),
            ("MB/sec", f"{result.get('mb_per_s', 0.0):,.2f}"),
        ),
    ]
    if result.get("histogram"):
        lines += _histogram(decode_histogram(result["histogram"]))
    if watch := result.get("watch"):
        figures = figures_of(result)
        lines += [
            "",
            f"Watch: {show(watch['watchers'])} watchers on {show(watch['streams'])} streams, {show(watch['puts'])} puts, "
            f"{show(watch['delivered'])} of {show(watch['expected'])} events delivered",
            *_rows(
                *(
                    (FIGURES[name].title, f"{show(figures[name])} {FIGURES[name].unit}".rstrip())
                    for name in WATCH_FIGURES
                    if name in figures
                )
            ),
        ]
    lines += _machines(result)
    if result["errors"]:
        lines += ["", "Error distribution:"]
        texts = sorted(result.get("error_texts", {}).items(), key=lambda item: -item[1])
        lines += [f"  [{count}]\t{text}" for text, count in texts]
    return "\n".join(lines) + "\n"


def _rows(*rows: tuple[str, str]) -> list[str]:
    width = max(len(name) for name, _ in rows) + 1
    return [f"  {name + ':':<{width}}  {value}" for name, value in rows]


def _ms(value: float) -> str:
    return f"{value / 1e3:.6f} s" if value >= 1000 else f"{value:.3f} ms"


def _histogram(histogram: Any) -> list[str]:
    if not histogram.get_total_count():
        return ["", "No operation ended in the time that was measured."]
    low, high = histogram.get_min_value(), histogram.get_max_value()
    lines = ["", "Response time histogram:"]
    width_us = max((high - low) / ROWS, 1)
    counts = [0] * (ROWS + 1)
    for item in histogram.get_recorded_iterator():
        counts[min(-int(-(item.value_iterated_to - low) // width_us), ROWS)] += item.count_added_in_this_iter_step
    most = max(counts)
    for number, count in enumerate(counts):
        bar = "∎" * round(BAR_WIDTH * count / most)
        lines.append(f"  {(low + number * width_us) / 1e3:10.3f} ms [{count}]\t|{bar}")
    lines += ["", "Latency distribution:"]
    lines += [f"  {percent:g}% in {_ms(histogram.get_value_at_percentile(percent) / 1e3)}." for percent in DISTRIBUTION]
    return lines


def _machines(result: Mapping[str, Any]) -> list[str]:
    lines = []
    if generator := result.get("generator"):
        share = f"{generator['cpu_share']:.0%} of a core in the busiest of {generator['workers']} workers"
        lines += ["", f"Generator: {generator['cpu_s']:.2f} s of CPU, {share}"]
        if generator["saturated"]:
            lines.append("  The generator is saturated: the server may be faster than this. Use more --workers.")
    lines += [
        f"Server {server['pid']}: {server['cpu_s']:.2f} s of CPU, {server['cpu_us_per_op']:.1f} µs per operation, "
        f"{server['rss_mb']:,.0f} MB resident"
        for server in result.get("servers", ())
    ]
    return lines
