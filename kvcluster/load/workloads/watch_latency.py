"""watch-latency: how long a put takes to be seen. One key, one watcher a stream; one put after the other, or put_rate a second.

The writer and the readers are those of watch. Latency counts from the writer's sending, where etcd's `benchmark watch-latency`
counts from the put's answer.
"""

from __future__ import annotations

from kvcluster.load.watching import Selection, merge
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.watch import make_side, processes

__all__ = ["make", "merge", "processes"]


def make(context: Context) -> Workload:
    plan = context.plan
    return make_side(context, Selection(plan.prefix.encode(), "key", 1, plan.key_size - len(plan.prefix)), 1)
