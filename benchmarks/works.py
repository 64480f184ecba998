"""What is measured against etcd with the load tester, and the mark each is to reach. `python -m benchmarks.works [NAME [PAIRS]]`

256-byte values; 32 callers on 4 connections unless said. Linearizable reads. Everything is a plan of kvcluster.load, so
`kvcluster bench` measures the same of any other server.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from benchmarks.pairs import Figures, measure_plan, run_pairs
from benchmarks.servers import Server, etcd_server, kvcluster_server
from kvcluster.load import Plan

UNARY = Plan(
    workload="put", endpoints=["127.0.0.1:0"], conns=4, clients=32, total=40_000, warm_up_s=0.5,
    key_size=16, val_size=256, key_space_size=1000,
)  # fmt: skip
WATCH = replace(
    UNARY, workload="watch", total=0, warm_up_s=0.0, workers=2, streams=50, watch_per_stream=10, put_total=1600
)


class Work(NamedTuple):
    """marks: throughput, and the server's CPU per unit, as ratios to etcd's; 0 = none was set."""

    name: str
    title: str
    plan: Plan
    members: int
    mark: float
    cpu_mark: float = 0.0


WORKS = [
    Work("put", "put, 1 member", UNARY, 1, 1.5, 0.5),
    Work("range", "range, linearizable, 1 member", replace(UNARY, workload="range"), 1, 2.0, 0.4),
    Work("txn_create", "txn create, 1 member", replace(UNARY, workload="txn", mode="create"), 1, 1.3),
    Work("watch", "watch, 500 watchers of a prefix on 50 streams", WATCH, 1, 2.0, 0.4),
    Work(
        "watch_keys",
        "puts under 10,000 watchers of distinct keys on 100 streams",
        replace(
            WATCH, streams=100, watch_per_stream=100, watched="key", watched_keys=10_000, put_total=30_000, workers=1
        ),
        1,
        1.5,
    ),
    Work("put_3", "put, 3 members", UNARY, 3, 1.5),
    Work("range_3", "range, linearizable, 3 members", replace(UNARY, workload="range"), 3, 2.0),
    Work("watch_3", "watch, 500 watchers of a prefix on 50 streams, 3 members", WATCH, 3, 2.0),
]


async def _measure(work: Work, server: Server) -> Figures:
    plan = replace(work.plan, endpoints=list(server.endpoints), server_pids=list(server.pids))
    return await measure_plan(plan, by_puts=work.name == "watch_keys")


def run(work: Work, pairs: int = 5) -> dict[str, Any]:
    return run_pairs(
        work.name,
        work.title,
        partial(_measure, work),
        pairs,
        partial(kvcluster_server, work.members),
        partial(etcd_server, work.members),
        mark=work.mark,
        cpu_mark=work.cpu_mark,
    )


def main(name: str = "", pairs: str = "5") -> None:
    for work in WORKS:
        if not name or work.name == name:
            run(work, int(pairs))


if __name__ == "__main__":
    main(*sys.argv[1:3])
