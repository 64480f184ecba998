"""Watch fan-out: 500 watchers of one prefix on 50 streams, 1,600 puts by 8 callers. `python -m benchmarks.watch [PAIRS]`

The latencies are the puts', while the events go out.
"""

from __future__ import annotations

import sys

from benchmarks.load import run_watch
from benchmarks.pairs import Measured, run_pairs
from benchmarks.servers import Server


async def workload(server: Server) -> Measured:
    return await run_watch(server.endpoint, streams=50, watchers_per_stream=10, puts=1600, connections=4)


def main(pairs: int = 5) -> dict:
    return run_pairs("watch", "events/s", workload, pairs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
