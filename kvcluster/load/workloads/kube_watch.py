"""kube-watch: informers of an API server (list + watch over HTTP/1.1), and a writer of objects; the figures are those of watch.

informers of them are spread over plan.workers processes and over the endpoints; the writer has its own process. Endpoints are the
API server's URLs; token_file and ca_file where it asks for them.
"""

from __future__ import annotations

from typing import Any

from kvcluster.load.kube import Informers, ObjectWriter
from kvcluster.load.plan import Plan
from kvcluster.load.watching import merge
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.watch import part

__all__ = ["make", "merge", "processes"]


def processes(plan: Plan) -> int:
    """The readers, no more than there are informers, and the writer: the last one."""
    return min(plan.workers, plan.informers) + 1


def make(context: Context) -> Workload:
    readers = context.processes - 1
    if context.index == readers:
        return KubeWatch(ObjectWriter(context, readers))
    return KubeWatch(Informers(context, part(context.plan.informers, readers, context.index)))


class KubeWatch:
    unit = "events"
    is_timed = False

    def __init__(self, side: Informers | ObjectWriter) -> None:
        self._side = side

    async def prepare(self) -> None:
        await self._side.prepare()

    def begin(self) -> None:
        """The warm-up is the writer's: watching/phases.py."""

    async def run(self) -> None:
        await self._side.run()

    def extra(self) -> dict[str, Any]:
        return self._side.share()

    async def close(self) -> None:
        await self._side.close()
