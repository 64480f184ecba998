"""All benchmarks in one go, and the table in benchmarks/README.md. `make bench`, or `python -m benchmarks.run [PAIRS]`"""

from __future__ import annotations

import datetime
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks import list_pods, put, range, watch

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def build_table(results: list[dict[str, Any]]) -> str:
    lines = [
        f"{datetime.date.today().isoformat()}, {_processor()}, CPython {platform.python_version()}, "
        f"{platform.system()} {platform.release().split('-')[0]}.",
        "",
        "| work | ours | etcd 3.5.1 | ratio (median of pairs) | ratios | server CPU per unit, ratio | p99 ours / etcd, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        ours, etcd = result["ours"], result["etcd"]
        lines.append(
            f"| {result['workload']} ({result['unit']}) | {ours['throughput']:,.0f} | {etcd['throughput']:,.0f} "
            f"| **{result['ratio']:.2f}** | {', '.join(f'{ratio:.2f}' for ratio in result['ratios'])} "
            f"| {result['cpu_ratio']:.2f} | {ours['p99_ms']:.1f} / {etcd['p99_ms']:.1f} |"
        )
    return "\n".join(lines)


def main(pairs: int = 5) -> None:
    results = [put.main(pairs), range.main(pairs), watch.main(pairs), list_pods.main(min(pairs, 3))]
    text = README.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{build_table(results)}\n{END}{after}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
