"""Logs of simulated containers, through the real API server and the fleet's own endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apiserver.client import Client
from apiserver.cluster import wait_for
from apiserver.config import ApiServerConfig
from apiserver.errors import StatusError
from apiserver.nodes import Fleet
from apiserver.server import ApiServer
from kvcluster.cluster import Cluster

STARTED = "c started"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    cluster = Cluster(members=1)
    await cluster.start()
    server = ApiServer(ApiServerConfig(port=0, compaction_interval_s=0), cluster.client())
    fleet = None
    try:
        await server.start()
        client = Client(server.in_process_transport())
        playing = Fleet(client, 1)
        fleet = asyncio.create_task(playing.run())
        async with asyncio.timeout(10):
            await playing.registered.wait()
        yield client
    finally:
        if fleet is not None:
            fleet.cancel()
            await asyncio.gather(fleet, return_exceptions=True)
        await server.stop()
        await cluster.stop()


async def add_pod(client: Client, *containers: str, node: str = "node-0", phase: str = "Running", **metadata) -> None:
    spec = {"containers": [{"name": name, "image": "i"} for name in containers or ("c",)]}
    spec["tolerations"] = [{"operator": "Exists"}]
    if node:
        spec["nodeName"] = node
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default", **metadata}}
    await client.create("pods", {**made, "spec": spec})
    if node and phase:
        await reach(client, phase)


async def reach(client: Client, phase: str) -> None:
    async with asyncio.timeout(10):
        await wait_for(client, "pods", lambda pods: pods["p"]["status"].get("phase") == phase, "default")


async def lines(client: Client, **options) -> list[str]:
    async with asyncio.timeout(10):
        return [line async for line in client.logs("p", "default", **options)]


async def refusal(client: Client, **options) -> tuple[int, str]:
    with pytest.raises(StatusError) as caught:
        await lines(client, **options)
    return caught.value.code, caught.value.message


async def test_a_container_says_that_it_started_and_what_the_pod_tells_it_to(client):
    annotations = {"nodes.kvcluster/logs": "one\ntwo", "nodes.kvcluster/logs.c": "three\n"}
    await add_pod(client, annotations=annotations)
    assert await lines(client) == [STARTED, "one", "two", "three"]
    assert await lines(client, tail=1) == ["three"]
    assert await lines(client, tail=0) == []
    (stamped,) = await lines(client, tail=1, timestamps=True)
    assert stamped.endswith("Z three") and len(stamped.split()[0]) == len("2023-11-14T22:13:20.000000000Z")


async def test_a_follower_sees_lines_come_and_ends_with_the_container(client):
    await add_pod(client)
    followed = client.logs("p", "default", follow=True)
    async with asyncio.timeout(10):
        assert await anext(followed) == STARTED
        for text in ("one", "one\ntwo"):
            patch = {"metadata": {"annotations": {"nodes.kvcluster/logs": text}}}
            await client.patch("pods", "p", patch, "default")
            assert await anext(followed) == text.rpartition("\n")[2]
        await client.delete("pods", "p", "default")
        assert [line async for line in followed] == []


async def test_which_container_must_be_clear(client):
    await add_pod(client, "a", "b")
    text = "a container name must be specified for pod p, choose one of: [a b]"
    assert await refusal(client) == (400, text)
    assert await refusal(client, container="x") == (400, "container x is not valid for pod p")
    assert await lines(client, container="b") == ["b started"]


async def test_what_has_not_started_has_no_log(client):
    await add_pod(client, node="")
    assert await lines(client) == [], "no node has it yet"
    await client.delete("pods", "p", "default")
    await add_pod(client, phase="", finalizers=["example.com/hold"])
    code, text = 400, 'container "c" in pod "p" is waiting to start: ContainerCreating'
    found = await lines(client) if (await client.get("pods", "p", "default"))["status"]["phase"] == "Running" else None
    assert found == [STARTED] or (await refusal(client)) in [(code, text), (404, 'pod "p" does not exist')]
    await reach(client, "Running")
    assert await refusal(client, previous=True) == (400, 'previous terminated container "c" in pod "p" not found')


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"tailLines": "-1"}, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ({"limitBytes": "0"}, "limitBytes: Invalid value: 0: must be greater than 0"),
        ({"sinceSeconds": "0"}, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (
            {"sinceSeconds": "1", "sinceTime": "2023-11-14T22:13:20Z"},
            "at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
    ],
)
async def test_options_out_of_range_are_refused(client, query, said):
    await add_pod(client)
    path = "/api/v1/namespaces/default/pods/p/log"
    answer = await client.transport.request("GET", path, query=list(query.items()))
    assert answer.status == 422 and said in answer.body.decode()


async def test_bytes_and_time_limit_a_log(client):
    await add_pod(client)
    path = "/api/v1/namespaces/default/pods/p/log"

    async def read(**query: str) -> str:
        answer = await client.transport.request("GET", path, query=list(query.items()))
        assert answer.headers["Content-Type"] == "text/plain"
        return answer.body.decode()

    assert await read(limitBytes="3") == STARTED[:3]
    assert await read(sinceTime="2200-01-01T00:00:00Z") == ""
    assert await read(sinceSeconds="3600") == f"{STARTED}\n"


async def test_there_is_nothing_to_talk_to(client):
    await add_pod(client)
    for name in ("exec", "attach", "portforward"):
        with pytest.raises(StatusError) as caught:
            await client.get_subresource("pods", "p", name, "default")
        assert caught.value.code == 400 and f"pods/{name} is not supported" in caught.value.message


async def test_a_pod_says_how_it_ends(client):
    annotations = {
        "nodes.kvcluster/complete-after-seconds": "0",
        "nodes.kvcluster/exit-code": "3",
        "nodes.kvcluster/termination-message": "out of paper",
    }
    spec = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never", "nodeName": "node-0"}
    spec["initContainers"] = [
        {"name": "first", "image": "i"},
        {"name": "beside", "image": "i", "restartPolicy": "Always"},
    ]
    metadata = {"name": "p", "namespace": "default", "annotations": annotations}
    await client.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    await reach(client, "Failed")
    status = (await client.get("pods", "p", "default"))["status"]
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "out of paper")
    assert [c["name"] for c in status["initContainerStatuses"]] == ["first", "beside"]
    assert await lines(client, container="c") == [STARTED]


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:80", "https://127.0.0.1:1", "http://example.com", "file:///etc", "http://[::"]
)
async def test_a_node_cannot_send_the_server_elsewhere(client, url):
    await add_pod(client)
    patch = {"metadata": {"annotations": {"nodes.kvcluster/kubelet-url": url}}}
    await client.patch("nodes", "node-0", patch)
    code, text = await refusal(client)
    assert code == 500 and "does not say where its kubelet is" in text


@pytest.mark.parametrize(
    "query",
    [
        {"sinceTime": "yesterday"},
        {"sinceTime": "9999-99-99T00:00:00Z"},
        {"tailLines": "many"},
        {"limitBytes": "1e3"},
        {"sinceSeconds": "9" * 40},
        {"container": "a/../b"},
        {"container": "\x00"},
    ],
)
async def test_nonsense_is_refused_as_such(client, query):
    await add_pod(client)
    answer = await client.transport.request("GET", "/api/v1/namespaces/default/pods/p/log", query=list(query.items()))
    assert 400 <= answer.status < 500, answer.body


async def test_a_follower_that_hangs_up_leaves_nothing_behind(client):
    """Neither here nor at the kubelet: the connection between them ends with the follower."""
    await add_pod(client)
    known = asyncio.all_tasks()
    followers = [client.logs("p", "default", follow=True) for _ in range(5)]
    for follower in followers:
        assert await anext(follower) == STARTED
    theirs = asyncio.all_tasks() - known
    assert theirs
    for follower in followers:
        await follower.aclose()
    _, left = await asyncio.wait(theirs, timeout=10)
    assert not left
