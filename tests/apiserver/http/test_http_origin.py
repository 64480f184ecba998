"""Web pages are kept out of a server that lets everybody do everything."""

from __future__ import annotations

import pytest

from apiserver.errors import StatusError
from apiserver.http.origin import check_origin


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:6443", "[::1]:6443", "localhost:6443", "localhost", "kubernetes.default.svc", "192.0.2.7:1", "node-1",
     "host.docker.internal:6443", "kubernetes.default.svc.cluster.local", ""],
)  # fmt: skip
def test_clients_are_taken(host):
    check_origin({"host": host})


@pytest.mark.parametrize("origin", ["http://localhost:8001", "http://127.0.0.1:8001", "http://[::1]:1", "https://a.localhost"])
def test_pages_of_this_machine_are_taken(origin):
    check_origin({"host": "127.0.0.1:6443", "origin": origin})


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:6443", "origin": "https://evil.example"},
        {"host": "127.0.0.1:6443", "origin": "http://192.0.2.1"},
        {"host": "127.0.0.1:6443", "origin": "http://[evil"},
        {"host": "127.0.0.1:6443", "origin": "http://127.0.0.1.evil.example"},
        {"host": "127.0.0.1:6443", "origin": "null"},
        {"host": "evil.example:6443"},
        {"host": "evil.example:6443", "origin": "http://evil.example:6443"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_pages_of_others_are_not(headers):
    with pytest.raises(StatusError) as caught:
        check_origin(headers)
    assert caught.value.code == 403


async def test_a_page_is_told_so(http):
    status, obj, _ = await http.call("GET", "/api/v1/pods", Origin="https://evil.example")
    assert (status, obj["reason"]) == (403, "Forbidden")
    status, _, _ = await http.call("GET", "/api/v1/pods", Origin=http.server.url)
    assert status == 200
