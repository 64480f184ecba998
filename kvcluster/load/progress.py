"""How a run is followed: a bar on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from kvcluster.load.plan import Plan
from kvcluster.load.workers import Progress


@contextmanager
def follow(plan: Plan, *, quiet: bool, stream: TextIO = sys.stderr) -> Iterator[Callable[[Progress], object]]:
    """What run_plan is given as `on_progress`."""
    if quiet:
        yield lambda progress: None
    elif stream.isatty():
        with _bar(plan, stream) as update:
            yield update
    else:
        yield _lines(plan, stream)


def _rate(last: list[int], progress: Progress) -> int:
    """Operations since the last second."""
    rate, last[0] = progress.operations - last[0], progress.operations
    return max(rate, 0)


def _lines(plan: Plan, stream: TextIO) -> Callable[[Progress], object]:
    last = [0]

    def update(progress: Progress) -> None:
        rate = _rate(last, progress)
        print(
            f"{progress.elapsed_s:6.0f} s  {progress.operations:>12,} done  {rate:>10,}/s  {progress.errors:,} errors",
            file=stream,
            flush=True,
        )

    return update


@contextmanager
def _bar(plan: Plan, stream: TextIO) -> Iterator[Callable[[Progress], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    total = plan.put_total if plan.workload.endswith(("watch", "watch-latency")) else plan.total
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]:>12,} done  {task.fields[rate]:>10,}/s  {task.fields[errors]:,} errors"),
        TimeElapsedColumn(),
    )
    last = [0]
    with RichProgress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(plan.workload, total=total or plan.warm_up_s + plan.limit_s, done=0, rate=0, errors=0)

        def update(progress: Progress) -> None:
            rate = _rate(last, progress)
            place = progress.operations if total else progress.elapsed_s
            bar.update(task, completed=place, done=progress.operations, rate=rate, errors=progress.errors)

        yield update
