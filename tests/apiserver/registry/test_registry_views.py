"""Views: the same stored objects in another version; and a catalog that changes while the server runs.

The view here turns a config map's data into upper case, which no real version does, so that a missed conversion shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from apiserver.client import Client
from apiserver.config import ApiServerConfig
from apiserver.errors import StatusError
from apiserver.kinds import BUILTIN, Catalog
from apiserver.kinds import catalog as builtin
from apiserver.server import ApiServer
from kvcluster import Cluster

CONFIG_MAPS = builtin.find("", "v1", "configmaps")
assert CONFIG_MAPS is not None


def loud(obj: dict[str, Any]) -> dict[str, Any]:
    data = {key: value.upper() for key, value in (obj.get("data") or {}).items()}
    return {**obj, "apiVersion": "loud/v1", "data": data}


def quiet(obj: dict[str, Any]) -> dict[str, Any]:
    data = {key: value.lower() for key, value in (obj.get("data") or {}).items()}
    return {**obj, "apiVersion": "v1", "data": data}


LOUD = replace(CONFIG_MAPS, group="loud", hub=CONFIG_MAPS, to_hub=quiet, from_hub=loud)
NAME = "loud/v1/configmaps"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(seed=1), store.client(), kinds=Catalog([*BUILTIN, LOUD]))
        await server.start()
        yield server
        await server.stop()


@pytest.fixture
def client(server: ApiServer) -> Client:
    return Client(server.in_process_transport())


def config_map(**data: str) -> dict[str, Any]:
    return {"metadata": {"name": "c", "namespace": "default"}, "data": data}


async def test_what_is_written_in_one_version_is_read_in_the_other(client):
    made = await client.create(NAME, config_map(k="SHOUT"))
    assert (made["apiVersion"], made["data"]) == ("loud/v1", {"k": "SHOUT"})
    hub = await client.get("configmaps", "c", "default")
    assert (hub["apiVersion"], hub["data"]) == ("v1", {"k": "shout"})
    assert hub["metadata"] == made["metadata"]


async def test_a_patch_sees_the_version_it_is_for(client):
    await client.create("configmaps", config_map(a="x"))
    patched = await client.patch(NAME, "c", {"data": {"b": "Y"}}, "default")
    assert patched["data"] == {"a": "X", "b": "Y"}
    assert (await client.get("configmaps", "c", "default"))["data"] == {"a": "x", "b": "y"}


async def test_lists_and_watches_speak_the_version_asked_for(client):
    made = await client.create("configmaps", config_map(k="v"))
    listed = await client.list(NAME, "default")
    assert [item["data"] for item in listed["items"] if item["metadata"]["name"] == "c"] == [{"k": "V"}]
    async with asyncio.timeout(10):
        watch = await client.watch(NAME, "default", resource_version=made["metadata"]["resourceVersion"])
        await client.patch("configmaps", "c", {"data": {"k": "w"}}, "default")
        async for event in watch:
            assert (event.object["apiVersion"], event.object["data"]) == ("loud/v1", {"k": "W"})
            break
        await watch.close()


async def test_what_leaves_the_catalog_is_no_longer_served(client, server):
    await client.create("configmaps", config_map(k="v"))
    assert (await client.raw("/apis/loud/v1/namespaces/default/configmaps"))["items"]
    gone = server.registry.serve(Catalog(BUILTIN))
    assert gone == []  # the hub is still there, and so is its watch cache
    with pytest.raises(StatusError, match="404 page not found"):
        await client.raw("/apis/loud/v1/namespaces/default/configmaps")
