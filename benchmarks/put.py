"""Put, 256-byte values, 1,000 keys, 32 callers on 4 connections; one member. `python -m benchmarks.put [PAIRS]`"""

from __future__ import annotations

import sys

from benchmarks.load import put_request, run_closed_loop
from benchmarks.pairs import Measured, run_pairs
from benchmarks.servers import Server


async def workload(server: Server) -> Measured:
    return await run_closed_loop(
        server.endpoint, "/etcdserverpb.KV/Put", put_request, total=40_000, warm_up=4_000, clients=32, connections=4
    )


def main(pairs: int = 5) -> dict:
    return run_pairs("put", "puts/s", workload, pairs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
