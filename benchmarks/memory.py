"""Resident memory, ours against etcd 3.5.1, in the two situations that differ. `python -m benchmarks.memory`

    churn    200,000 puts on 1,000 keys, compacted after every 50,000: what old versions leave behind
    keys     1,000,000 keys of 256 bytes, each put once

Memory is not noisy: one run each. etcd's memory-mapped file counts where it is resident, as `ps` counts it.
"""

from __future__ import annotations

import asyncio
import platform
from dataclasses import replace
from typing import Any

from benchmarks.pairs import write
from benchmarks.servers import Server, etcd_server, kvcluster_server
from benchmarks.works import UNARY
from kvcluster import connect
from kvcluster.load import Plan, run_plan

CHURN = replace(UNARY, total=50_000, warm_up_s=0.0)
KEYS = replace(UNARY, total=1_000_000, warm_up_s=0.0, key_space_size=1_000_000, sequential_keys=True, clients=128)


async def _put_all(server: Server, plan: Plan) -> None:
    result = await run_plan(replace(plan, endpoints=list(server.endpoints)))
    assert not result.interrupted, result.interrupted


async def _churn(server: Server) -> float:
    async with await connect(f"http://{server.endpoint}") as client:
        for _ in range(4):
            await _put_all(server, CHURN)
            await client.compact((await client.get(b"x")).revision, physical=True)
    return server.rss_mb()


async def _keys(server: Server) -> float:
    await _put_all(server, KEYS)
    return server.rss_mb()


def _measure(name: str, title: str, measure: Any, mark: float) -> dict[str, Any]:
    megabytes = []
    for opener in (kvcluster_server, etcd_server):
        with opener() as server:
            megabytes.append(asyncio.run(measure(server)))
    ours, etcd = megabytes
    summary = {
        "work": name, "title": title, "unit": "MB resident", "python": platform.python_version(),
        "ours": round(ours), "etcd": round(etcd), "ratio": ours / etcd, "mark": mark,
    }  # fmt: skip
    write(name, summary)
    print(
        f"{title}: ours {ours:,.0f} MB, etcd {etcd:,.0f} MB, ratio {ours / etcd:.2f} (mark: at most {mark})", flush=True
    )
    return summary


def main() -> list[dict[str, Any]]:
    return [
        _measure("memory_churn", "memory after 200,000 puts on 1,000 keys, compacted", _churn, 0.7),
        _measure("memory_keys", "memory with 1,000,000 keys of 256 bytes", _keys, 1.5),
    ]


if __name__ == "__main__":
    main()
