"""The cyclic collector's tuning: what is frozen, what is put back, and that a connection needs no collector."""

from __future__ import annotations

import asyncio
import gc

from kvcluster import connect
from kvcluster.server import Server
from kvcluster.server.collector import LONG_S, Collector


def test_what_took_long_to_look_at_is_frozen_once_it_is_old():
    now, frozen = [0.0], []
    collector = Collector(clock=lambda: now[0], freeze=lambda: frozen.append(now[0]))

    def collect(generation: int, took_s: float) -> int:
        collector.on_collection("start", {"generation": generation})
        now[0] += took_s
        collector.on_collection("stop", {"generation": generation, "collected": 0, "uncollectable": 0})
        return collector.freezes

    assert collect(1, LONG_S / 2) == 0 and collect(2, LONG_S / 2) == 0
    assert collect(0, LONG_S * 2) == 0, "the young may be on their way out"
    assert collect(1, LONG_S * 2) == 1 and collect(2, LONG_S * 2) == 2 == len(frozen)


def test_the_last_that_stops_puts_everything_back():
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    first, second = Collector(), Collector()
    first.stop()
    first.start()
    second.start()
    tuned = gc.get_threshold()
    first.stop()
    first.stop()
    assert gc.get_threshold() == tuned != thresholds and gc.get_freeze_count() > 0
    second.stop()
    assert (gc.get_threshold(), gc.callbacks, gc.get_freeze_count()) == (thresholds, callbacks, 0)


async def _call(url: str) -> None:
    """A bit of everything that has a stream."""
    client = await connect(url)
    watch = await client.watch(b"k", b"l")
    other = await client.watch(b"k", b"l")
    await client.put(b"k", b"v")
    await watch.__anext__()
    lease = await client.grant(60)
    await client.keep_alive_once(lease.id)
    await watch.close()
    await client.close()
    del other


async def test_a_lost_connection_leaves_nothing_to_the_collector(server: Server):
    """It may have been frozen: what it left would stay until the server stops."""
    await _call(server.client_url)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await _call(server.client_url)
        assert server._listener is not None
        async with asyncio.timeout(10):
            await server._listener._port.is_empty.wait()
        await asyncio.sleep(0)
        gc.collect()
        ours = ("kvcluster.server", "kvcluster.rpc", "kvcluster.watch", "kvcluster.wire.server")
        left = [thing for thing in gc.garbage if str(type(thing).__module__).startswith(ours)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []
