"""The whole table in one go, into results/*.json and benchmarks/README.md. `make bench`, or `python -m benchmarks.run [PAIRS]`

About twelve minutes with the usual 3 pairs. What fails is reported at the end; what was measured until then is kept.
"""

from __future__ import annotations

import datetime
import json
import platform
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import apiserver, embedded, isolation, list_pods, memory, startup, works
from benchmarks.pairs import RESULTS

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def _load(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _verdict(ratio: float, mark: float, *, at_most: bool = False) -> str:
    if not mark:
        return ""
    return f"{'≤' if at_most else '≥'} {mark:g} {'✓' if (ratio <= mark if at_most else ratio >= mark) else '✗'}"


def build_table() -> str:
    """From results/*.json."""
    lines = [
        f"{datetime.date.today().isoformat()}, {_processor()}, CPython {platform.python_version()}, "
        f"{platform.system()} {platform.release().split('-')[0]}; etcd 3.5.1.",
        "",
        "| work | ours /s | etcd /s | ratio: median of pairs | mark | pairs | server CPU per unit, ratio | mark "
        "| p99 ms, ours / etcd |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in [*(work.name for work in works.WORKS), "list_pods"]:
        if result := _load(name):
            ours, etcd = result["ours"], result["etcd"]
            lines.append(
                f"| {result['title']} | {ours['throughput']:,.0f} | {etcd['throughput']:,.0f} "
                f"| **{result['ratio']:.2f}** | {_verdict(result['ratio'], result['mark'])} "
                f"| {', '.join(f'{ratio:.2f}' for ratio in result['ratios'])} "
                f"| {result['cpu_ratio']:.2f} | {_verdict(result['cpu_ratio'], result['cpu_mark'], at_most=True)} "
                f"| {ours['p99_ms']:.1f} / {etcd['p99_ms']:.1f} |"
            )
    lines += ["", "| other marks | ours | etcd | ratio | mark |", "|---|---|---|---|---|"]
    for name, unit in (("memory_churn", "MB"), ("memory_keys", "MB"), *((each, "ms") for each in startup.NAMES)):
        if result := _load(name):
            lines.append(
                f"| {result['title']} | {result['ours']:,} {unit} | {result['etcd']:,} {unit} "
                f"| **{result['ratio']:.2f}** | {_verdict(result['ratio'], result['mark'], at_most=True)} |"
            )
    if result := _load("isolation"):
        with_them, without = result["p99_ms"]
        lines.append(
            f"| {result['title']} | {with_them} ms | without them: {without} ms | **{result['ratio']:.2f}** "
            f"| {_verdict(result['ratio'], result['mark'], at_most=True)} |"
        )
    lines += embedded.table_rows(_load("embedded"))
    lines += ["", *apiserver.table_rows(_load("apiserver"))]
    return "\n".join(lines)


def main(pairs: int = 3) -> int:
    parts: list[tuple[str, Callable[[], object]]] = [
        *((work.name, lambda work=work: works.run(work, pairs)) for work in works.WORKS),
        ("list_pods", lambda: list_pods.main(min(pairs, 2))),
        ("memory", memory.main),
        ("startup", lambda: startup.main(pairs)),
        ("embedded", embedded.main),
        ("isolation", lambda: isolation.main(pairs)),
        ("apiserver", lambda: apiserver.main(str(pairs))),
    ]
    failed = []
    for name, run in parts:
        try:
            run()
        except Exception:
            traceback.print_exc()
            failed.append(name)
        text = README.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        README.write_text(f"{before}{BEGIN}\n{build_table()}\n{END}{after}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
