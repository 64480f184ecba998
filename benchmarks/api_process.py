"""The server processes of benchmarks/apiserver.py. `python -m benchmarks.api_process ours|bare PORT [BYTES…]`

ours: the API server on a store of one member in the same process, as `apiserver up` has it, without controllers.
bare: the yardstick: aiohttp's low-level server, whose handler answers a constant; GET /N answers the N-th of BYTES.

Both on uvloop, pinned to the first processor, the garbage collector as each would have it in production.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvloop


async def run_ours(port: int, stop: asyncio.Event) -> None:
    from apiserver.config import ApiServerConfig
    from apiserver.server import ApiServer
    from kvcluster import Cluster

    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(port=port), store.client())
        await server.start()
        try:
            await stop.wait()
        finally:
            await server.stop()


async def run_bare(port: int, stop: asyncio.Event, sizes: list[int]) -> None:
    from aiohttp import web

    bodies = [b"x" * size for size in sizes]

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.can_read_body:
            await request.read()
        number = request.path[1:]
        if not number.isdecimal():
            return web.Response(text="ok")
        return web.Response(body=bodies[int(number)], content_type="application/json")

    server = web.Server(handle)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
    try:
        await stop.wait()
    finally:
        listener.close()
        await server.shutdown(0.1)


async def main(kind: str, port: int, sizes: list[int]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await (run_ours(port, stop) if kind == "ours" else run_bare(port, stop, sizes))


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    profile = os.environ.get("BENCH_PROFILE") if sys.argv[1] == "ours" else None
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    if os.environ.get("BENCH_NO_GC"):
        import gc

        gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), [int(size) for size in sys.argv[3:]]))
    if profile:
        profiler.disable()
        profiler.dump_stats(profile)
