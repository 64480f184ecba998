"""Reflectors and informers: true to the server through lost watches, compactions and errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.client import Informer, InformerFactory, Store, index_by_label, key_of
from apiserver.errors import service_unavailable


def config_map(name: str, value: str = "", **labels: str) -> dict:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}


class Log:
    """What a handler is told."""

    def __init__(self, informer: Informer) -> None:
        self.lines: list[str] = []
        informer.add_handler(
            on_add=lambda new: self.lines.append(f"add {new['metadata']['name']}"),
            on_update=lambda old, new: self.lines.append(f"update {new['metadata']['name']} {new['data']['v']}"),
            on_delete=lambda last: self.lines.append(f"delete {last['metadata']['name']}"),
        )


@pytest.fixture
async def informer(client, clock) -> AsyncIterator[Informer]:
    made = Informer(client, "configmaps", clock)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_handlers_see_each_change_once_in_order(client, informer, settle):
    await client.create("configmaps", config_map("a"))
    log = Log(informer)
    await informer.synced()
    await settle()
    await client.create("configmaps", config_map("b"))
    await client.patch("configmaps", "a", {"data": {"v": "2"}}, "default")
    await client.delete("configmaps", "b", "default")
    await settle()
    assert log.lines == ["add a", "add b", "update a 2", "delete b"]
    late = Log(informer)
    assert late.lines == ["add a"]


async def test_a_lost_watch_is_resumed_without_a_list(client, api, informer, settle, eventually):
    log = Log(informer)
    await informer.synced()
    await settle()
    api.hang_up()
    await client.create("configmaps", config_map("a"))
    await eventually(lambda: log.lines == ["add a"])
    assert api.requests.count("GET /api/v1/configmaps") == 1


async def test_after_a_compaction_the_difference_is_told(client, api, informer, settle, eventually):
    for name in ("kept", "changed", "deleted", "replaced"):
        await client.create("configmaps", config_map(name))
    log = Log(informer)
    await informer.synced()
    await settle()
    log.lines.clear()
    api.fail("WATCH /api/v1/configmaps", service_unavailable("restarting"))
    api.hang_up()
    await client.delete("configmaps", "deleted", "default")
    await client.delete("configmaps", "replaced", "default")
    await client.create("configmaps", config_map("replaced"))
    await client.patch("configmaps", "changed", {"data": {"v": "2"}}, "default")
    await client.create("configmaps", config_map("new"))
    api.compact()
    await eventually(lambda: len(log.lines) >= 5, step_s=0.2)
    assert sorted(log.lines) == ["add new", "add replaced", "delete deleted", "delete replaced", "update changed 2"]
    assert api.requests.count("GET /api/v1/configmaps") == 2


async def test_errors_are_waited_out_with_back_off(client, api, clock, settle, eventually):
    api.fail("GET /api/v1/configmaps", service_unavailable("starting"), times=4)
    async with InformerFactory(client, clock) as factory:
        informer = factory.informer("configmaps")
        await settle()
        assert not informer.is_synced() and api.requests.count("GET /api/v1/configmaps") == 1
        started_s = clock.monotonic_s()
        await eventually(informer.is_synced, step_s=0.1)
        waited_s = clock.monotonic_s() - started_s
        assert 0.8 + 1.6 + 3.2 + 6.4 <= waited_s <= 2 * (0.8 + 1.6 + 3.2 + 6.4) + 1


async def test_a_bookmark_moves_the_version_on(api, informer, settle, eventually):
    await informer.synced()
    await settle()
    api.version = api.compacted = 50
    bookmark = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"50"}}}\n'
    api.watches[0].stream.lines.put_nowait(bookmark)
    api.hang_up()
    await eventually(lambda: api.requests.count("WATCH /api/v1/configmaps") == 2, step_s=0.2)
    assert informer.resource_version == "50"
    assert api.requests.count("GET /api/v1/configmaps") == 1


async def test_a_handler_that_raises_harms_nobody_else(client, informer, settle, caplog):
    informer.add_handler(on_add=lambda obj: 1 / 0)
    log = Log(informer)
    await informer.synced()
    await client.create("configmaps", config_map("a"))
    await settle()
    assert log.lines == ["add a"] and "a handler of v1/configmaps raised" in caplog.text


async def test_a_factory_shares_and_ends_its_watches(client, api, clock, settle):
    factory = InformerFactory(client, clock)
    first = factory.informer("configmaps")
    assert factory.informer("v1/configmaps") is first
    assert factory.informer("configmaps", namespace="default") is not first
    async with factory:
        async with factory:
            late = factory.informer("pods")
            await factory.synced()
            await settle()
        assert late.is_synced() and not api.watches[0].stream.closed, "somebody still uses it"
    assert all(watch.stream.closed for watch in api.watches)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["set", "remove"]), st.sampled_from("xyz"))))
def test_indices_agree_with_the_objects(steps):
    store = Store()
    for number, verb, colour in steps:
        obj = {"metadata": {"name": f"o{number}", "namespace": f"n{number % 2}", "labels": {"colour": colour}}}
        if verb == "set":
            store.set(key_of(obj), obj)
        else:
            store.remove(key_of(obj))
        if len(store) == 3:
            store.add_index("colour", index_by_label("colour"))
        store._check()
