"""The client's calls: paths, queries, errors, waits; on the double, and over real HTTP."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from apiserver.client import Client, HttpTransport, ServerUnreachableError, path_of, resource_name
from apiserver.errors import StatusError, expired

POD = {
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "subresource", "path"),
    [
        ("pods", None, None, "", "/api/v1/pods"),
        ("v1/pods", "ns", "p", "status", "/api/v1/namespaces/ns/pods/p/status"),
        ("apps/v1/deployments", "ns", None, "", "/apis/apps/v1/namespaces/ns/deployments"),
        ("example.com/v1/widgets", None, "a/b", "", "/apis/example.com/v1/widgets/a%2Fb"),
    ],
)
def test_paths(resource, namespace, name, subresource, path):
    assert path_of(resource, namespace, name, subresource) == path


def test_names_that_cannot_be_addressed():
    with pytest.raises(ValueError, match="the empty name would address the whole collection"):
        path_of("pods", "ns", "")
    for text in ("", "a/b/c/d", "apps//deployments"):
        with pytest.raises(ValueError, match="is not a resource"):
            resource_name(text)


async def test_errors_are_the_servers(client):
    with pytest.raises(StatusError) as missing:
        await client.get("pods", "p", "default")
    assert (missing.value.code, missing.value.reason) == (404, "NotFound")
    assert missing.value.details == {"name": "p", "kind": "pods"}
    with pytest.raises(ValueError, match="one of json, merge, strategic, apply"):
        await client.patch("pods", "p", {}, "default", patch_type="json-patch")
    with pytest.raises(ValueError, match=r"no metadata\.name"):
        await client.update("pods", {"metadata": {"namespace": "default"}})


async def test_preconditions_and_conflicts(client):
    pod = await client.create("pods", POD)
    with pytest.raises(StatusError) as refused:
        await client.delete("pods", "p", "default", uid="another")
    assert refused.value.reason == "Conflict"
    await client.update("pods", {**pod, "metadata": {**pod["metadata"], "labels": {"a": "1"}}})
    with pytest.raises(StatusError) as refused:
        await client.update("pods", {**pod, "metadata": {**pod["metadata"], "labels": {"a": "2"}}})
    assert refused.value.reason == "Conflict"


async def test_all_pages_are_read_and_typed(client):
    for number in range(7):
        await client.create("pods", {**POD, "metadata": {"name": f"p{number}", "namespace": "default"}})
    items, version = await client.list_all("pods", page_size=3)
    assert [item["metadata"]["name"] for item in items] == [f"p{number}" for number in range(7)]
    assert version == "7"
    assert items[0]["kind"] == "Pod" and items[0]["apiVersion"] == "v1"


async def test_a_page_that_expired_starts_the_list_anew(client, api):
    for number in range(5):
        await client.create("pods", {**POD, "metadata": {"name": f"p{number}", "namespace": "default"}})

    original = api.request

    async def lose_the_second_page(method, path, *, query=(), headers=(), body=b""):
        if dict(query).get("continue"):
            api.fail("GET", expired("The provided continue parameter is too old"))
        return await original(method, path, query=query, headers=headers, body=body)

    api.request = lose_the_second_page
    items, _ = await client.list_all("pods", page_size=2)
    assert len(items) == 5


async def test_too_many_requests_are_waited_out_as_told(client, api, clock, settle):
    throttled = StatusError(429, "TooManyRequests", "later")
    api.fail("POST", throttled, times=2, headers={"Retry-After": "3"})
    task = asyncio.create_task(client.create("pods", POD))
    await settle()
    assert not task.done()
    clock.advance(3.0)
    await settle()
    clock.advance(3.0)
    await settle()
    assert (await task)["metadata"]["name"] == "p"
    api.fail("GET", throttled)
    with pytest.raises(StatusError):  # no Retry-After: the caller's business
        await client.get("pods", "p", "default")


async def test_a_watch_that_is_refused_or_breaks_off(client, api):
    await client.create("pods", POD)
    api.compact()
    with pytest.raises(StatusError) as refused:
        await client.watch("pods", resource_version="0")
    assert refused.value.code == 410
    stream = await client.watch("pods", resource_version="1")
    api.watches[0].stream.lines.put_nowait(
        b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
    )
    with pytest.raises(StatusError) as gone:
        async for _ in stream:
            pass
    assert gone.value.reason == "Expired"
    stream = await client.watch("pods", resource_version="1")
    api.watches[1].stream.lines.put_nowait(b"{nonsense")
    with pytest.raises(StatusError, match="unable to decode an event from the watch stream"):
        async for _ in stream:
            pass


# ---- over HTTP


@pytest.fixture
async def server():
    """An HTTP server of one handler; (url, requests seen, answer to give)."""
    seen: list[web.Request] = []
    answers: list = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await answers.pop(0)(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}", seen, answers
    await runner.cleanup()


async def test_http_carries_token_query_and_body(server):
    url, seen, answers = server

    async def answer(request):
        assert await request.json() == {"spec": {"a": 1}}
        return web.json_response({"kind": "Pod"})

    answers.append(answer)
    transport = HttpTransport(url, token="secret")
    try:
        await Client(transport).patch("pods", "p", {"spec": {"a": 1}}, "ns", field_manager="me & you")
        (request,) = seen
        assert request.path == "/api/v1/namespaces/ns/pods/p" and request.query["fieldManager"] == "me & you"
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.headers["Content-Type"] == "application/merge-patch+json"
    finally:
        await transport.close()


async def test_http_errors_that_are_no_status(server):
    url, _, answers = server

    async def answer(request):
        return web.Response(status=503, text="a proxy says no")

    answers.append(answer)
    transport = HttpTransport(url)
    try:
        with pytest.raises(StatusError, match="a proxy says no") as refused:
            await Client(transport).get("pods", "p", "ns")
        assert (refused.value.code, refused.value.reason) == (503, "ServiceUnavailable")
    finally:
        await transport.close()


async def test_http_watch_lines_of_any_length(server):
    url, _, answers = server
    long = "x" * 300_000

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n{"type":"MODI')
        await response.write(b'FIED","object":{"metadata":{"name":"%s"}}}\n' % long.encode())
        return response

    answers.append(answer)
    transport = HttpTransport(url)
    try:
        stream = await Client(transport).watch("pods", resource_version="1")
        events = [(event.type, event.object["metadata"]["name"]) async for event in stream]
        await stream.close()
        assert events == [("ADDED", "a"), ("MODIFIED", long)]
    finally:
        await transport.close()


async def test_nobody_there():
    transport = HttpTransport("http://127.0.0.1:9")
    try:
        with pytest.raises(ServerUnreachableError, match="GET http://127.0.0.1:9/version"):
            await Client(transport).raw("/version")
        with pytest.raises(ServerUnreachableError):
            await Client(transport).watch("pods")
    finally:
        await transport.close()
    with pytest.raises(ValueError, match="starts with http:// or https://"):
        HttpTransport("127.0.0.1:8001")
