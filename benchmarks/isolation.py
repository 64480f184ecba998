"""What a watcher that never reads does to the others: their p99 with it and without it. `python -m benchmarks.isolation`

One stream of the prefix is opened and its socket never read; 100 other watchers on 10 streams go on. Its memory at the server is
bounded by the connection's buffers, so resident memory is told too.
"""

from __future__ import annotations

import asyncio
import platform
import socket
import statistics
from dataclasses import replace
from typing import Any

from benchmarks.pairs import write
from benchmarks.servers import Server, kvcluster_server
from benchmarks.works import WATCH
from kvcluster import pb
from kvcluster.load import run_plan
from kvcluster.wire import ClientConnection

MARK = 1.2


class Silent:
    """A client that watches the prefix and never reads what it is told."""

    def __init__(self, endpoint: str, prefix: bytes) -> None:
        host, _, port = endpoint.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        connection = ClientConnection()
        stream = connection.open_stream("/etcdserverpb.Watch/Watch", lambda payload: None, lambda outcome: None)
        create = pb.WatchCreateRequest(key=prefix, range_end=prefix[:-1] + bytes([prefix[-1] + 1]))
        stream.send(pb.WatchRequest(create_request=create).SerializeToString())
        self._socket.sendall(b"".join(connection.take_output()))

    def close(self) -> None:
        self._socket.close()


async def _measure(server: Server, silent: int) -> tuple[float, float]:
    plan = replace(
        WATCH, endpoints=list(server.endpoints), server_pids=list(server.pids),
        streams=10, watch_per_stream=10, put_total=2000, put_rate=400.0, workers=1,
    )  # fmt: skip
    watchers = [Silent(server.endpoint, plan.prefix.encode()) for _ in range(silent)]
    try:
        result = (await run_plan(plan)).to_json()
    finally:
        for watcher in watchers:
            watcher.close()
    assert not result["interrupted"], result["interrupted"]
    return result["latency_ms"]["p99"], server.rss_mb()


def main(pairs: int = 5) -> dict[str, Any]:
    rows = []
    for number in range(1, pairs + 1):
        pair = []
        for silent in (1, 0):
            with kvcluster_server() as server:
                pair.append(asyncio.run(_measure(server, silent)))
        rows.append(pair)
        print(
            f"  pair {number}: p99 {pair[0][0]:.2f} ms with a silent watcher, {pair[1][0]:.2f} ms without", flush=True
        )
    summary = {
        "work": "isolation",
        "title": "p99 delivery beside a watcher that never reads, at 400 puts/s",
        "python": platform.python_version(),
        "ratio": statistics.median(with_them[0] / without[0] for with_them, without in rows),
        "mark": MARK,
        "p99_ms": [round(statistics.median(row[n][0] for row in rows), 3) for n in (0, 1)],
        "rss_mb": [round(statistics.median(row[n][1] for row in rows)) for n in (0, 1)],
    }
    write("isolation", summary)
    print(f"slow watchers: p99 ratio {summary['ratio']:.2f} (mark: at most {MARK}), memory {summary['rss_mb']} MB")
    return summary


if __name__ == "__main__":
    main()
