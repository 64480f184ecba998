"""How many requests are served at once, and what the server counts of them."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from apiserver.auth import LOOPBACK_USER, MASTERS, User
from apiserver.http.in_flight import InFlight
from apiserver.http.messages import Request

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def asked(method: str = "GET", path: str = CONFIGMAPS, query: dict[str, str] | None = None, user: User | None = None) -> Request:
    return Request(method, path, query or {}, {}, b"", user or User("somebody"))


def test_readers_and_writers_are_counted_apart():
    limits = InFlight(2, 1)
    assert [limits.try_enter(asked()) for _ in range(3)] == ["readOnly", "readOnly", None]
    assert [limits.try_enter(asked("POST")), limits.try_enter(asked("PATCH"))] == ["mutating", None]
    limits.leave("readOnly")
    assert limits.try_enter(asked("HEAD")) == "readOnly"
    assert limits.dropped == {"readOnly": 1, "mutating": 1}


@pytest.mark.parametrize(
    ("path", "query"),
    [(CONFIGMAPS, {"watch": "1"}), ("/api/v1/watch/pods", {}), ("/api/v1/namespaces/a/pods/b/log", {})],
)
def test_what_lasts_is_not_counted(path: str, query: dict[str, str]):
    limits = InFlight(0, 0)
    assert limits.try_enter(asked(path=path, query=query)) == ""
    assert limits.try_enter(asked(query={"watch": "false"})) is None


def test_who_may_do_everything_is_always_let_in():
    limits = InFlight(0, 0)
    assert limits.try_enter(asked("POST", user=LOOPBACK_USER)) == ""
    master = asked("POST", user=User("admin", groups=(MASTERS,)))
    assert limits.try_enter(master) == ""
    master.gate = master.gate._replace(is_open=True)
    assert limits.try_enter(master) is None, "where everybody is an administrator, nobody is"


async def test_one_too_many_is_told_to_come_back(http, monkeypatch):
    go_on, entered = asyncio.Event(), asyncio.Event()
    get = type(http.server.registry).get

    async def slow(self, *arguments, **named):
        entered.set()
        await go_on.wait()
        return await get(self, *arguments, **named)

    monkeypatch.setattr(type(http.server.registry), "get", slow)
    http.server._pipeline.in_flight.limits["readOnly"] = 1
    first = asyncio.create_task(http.call("GET", f"{CONFIGMAPS}/a"))
    await entered.wait()
    status, said, headers = await http.call("GET", CONFIGMAPS)
    assert (status, headers["Retry-After"]) == (429, "1")
    assert said == "Too many requests, please try again later.\n"
    watch = await http.watch("")
    assert watch.status == 200, "a watch is not counted"
    watch.close()
    go_on.set()
    assert (await first)[0] == 404
    assert (await http.call("GET", CONFIGMAPS))[0] == 200


async def test_what_dashboards_ask_for(http):
    await http.make("a")
    await http.call("GET", f"{CONFIGMAPS}/nobody")
    watch = await http.watch("resourceVersion=0")
    await watch.next()
    await http.make("b")
    await watch.next()
    _, text, headers = await http.call("GET", "/metrics")
    assert headers["Content-Type"].startswith("text/plain")
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: sample.labels.get(name) for name in ("verb", "resource", "code", "request_kind", "le")}
            samples[sample.name, *(value for value in labels.values() if value)] = sample.value
    assert samples["apiserver_request_total", "POST", "configmaps", "201"] == 2
    assert samples["apiserver_request_total", "GET", "configmaps", "404"] == 1
    assert samples["apiserver_request_total", "WATCH", "configmaps", "200"] == 1
    assert samples["apiserver_request_duration_seconds_count", "POST", "configmaps"] == 2
    assert samples["apiserver_request_duration_seconds_bucket", "POST", "configmaps", "+Inf"] == 2
    assert samples["apiserver_longrunning_requests", "WATCH", "configmaps"] == 1
    assert samples["apiserver_watch_events_total", "configmaps"] == 1
    assert samples["apiserver_storage_objects", "configmaps"] >= 2
    assert samples["apiserver_current_inflight_requests", "readOnly"] == 1
    assert "process_resident_memory_bytes" in text
    watch.close()
