"""List 500 pods through the API server on our store and on etcd 3.5.1, 8 callers. `python -m benchmarks.list_pods [PAIRS]`

The API server is ours both times; what differs is the store below. CPU is the API server's.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from benchmarks.pairs import Figures, run_pairs
from benchmarks.servers import Server, api_server, etcd_server, kvcluster_server

PODS, LISTS, CALLERS = 500, 200, 8


@contextmanager
def on_ours() -> Iterator[Server]:
    with kvcluster_server() as store, api_server(store) as server:
        yield server


@contextmanager
def on_etcd() -> Iterator[Server]:
    with etcd_server() as store, api_server(store) as server:
        yield server


def make_pod(number: int) -> dict:
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    container = {"name": "c", "image": "nginx:1.29", "resources": resources}
    metadata = {"name": f"pod-{number:05d}", "labels": {"app": "bench", "number": str(number)}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


async def measure(server: Server) -> Figures:
    pods = f"http://{server.endpoint}/api/v1/namespaces/default/pods"
    latencies: list[float] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        for number in range(PODS):
            async with session.post(pods, json=make_pod(number)) as answer:
                assert answer.status == 201, await answer.text()

        async def caller(count: int) -> None:
            for _ in range(count):
                begun = time.perf_counter()
                async with session.get(pods) as answer:
                    body = await answer.read()
                assert answer.status == 200
                assert body.count(b'"uid"') == PODS
                latencies.append(time.perf_counter() - begun)

        started, cpu_s = time.perf_counter(), server.cpu_s()
        await asyncio.gather(*(caller(LISTS // CALLERS) for _ in range(CALLERS)))
        seconds = time.perf_counter() - started
        cpu_us = (server.cpu_s() - cpu_s) / LISTS * 1e6
    p50_ms, p99_ms = (1e3 * each for each in (statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]))
    return Figures(LISTS / seconds, cpu_us, p50_ms, p99_ms)


def main(pairs: int = 3) -> dict:
    return run_pairs("list_pods", "lists of 500 pods through the API server", measure, pairs, on_ours, on_etcd)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
