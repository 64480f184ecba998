"""The load tester: puts, reads, transactions, watches and leases against any etcd v3, and watches against any API server.

    result = asyncio.run(run_plan(Plan(workload="put", endpoints=["127.0.0.1:2379"], clients=32, conns=4, total=40_000)))

plan        what to run          workloads/   what is asked          arrivals   when: closed loop, open loop
links       connections          recorder     latencies and errors   worker, workers   processes      result   what it came to

It knows servers only through kvcluster.client and kvcluster.wire; nothing here imports a server.
"""

from kvcluster.load.dask import run_on_dask
from kvcluster.load.links import LoadError
from kvcluster.load.plan import Plan, PlanError
from kvcluster.load.progress import follow
from kvcluster.load.result import Result, build_result
from kvcluster.load.workers import Progress, run_plan
from kvcluster.load.workloads import WORKLOADS

__all__ = [
    "WORKLOADS",
    "LoadError",
    "Plan",
    "PlanError",
    "Progress",
    "Result",
    "build_result",
    "follow",
    "run_on_dask",
    "run_plan",
]
