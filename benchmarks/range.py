"""Linearizable range of one key among 1,000, 32 callers on 4 connections; one member. `python -m benchmarks.range [PAIRS]`"""

from __future__ import annotations

import sys

from benchmarks.load import put_all, put_request, run_closed_loop
from benchmarks.pairs import Measured, run_pairs
from benchmarks.servers import Server
from kvcluster import pb


def range_request(number: int) -> bytes:
    return pb.RangeRequest(key=b"bench/%08d" % (number % 1000)).SerializeToString()


async def workload(server: Server) -> Measured:
    await put_all(server.endpoint, [put_request(number) for number in range(1000)])
    return await run_closed_loop(
        server.endpoint, "/etcdserverpb.KV/Range", range_request, total=40_000, warm_up=4_000, clients=32, connections=4
    )


def main(pairs: int = 5) -> dict:
    return run_pairs("range", "ranges/s", workload, pairs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
