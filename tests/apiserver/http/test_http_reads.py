"""Reads over the socket: what resourceVersion, its match, limit and continue come to (kubernetes.md 1.4, 1.5)."""

from __future__ import annotations

import asyncio

import pytest

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
WATCH_LIST = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


def names(listed) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"] if not item["metadata"]["name"].startswith("kube-")]


@pytest.fixture
async def made(http) -> list[int]:
    """a, b and c; their versions."""
    return [int((await http.make(name))["metadata"]["resourceVersion"]) for name in ("a", "b", "c")]


async def test_the_past_is_listed_exactly(http, made):
    for query in (f"resourceVersion={made[1]}&resourceVersionMatch=Exact", f"resourceVersion={made[1]}&limit=500"):
        status, listed, _ = await http.call("GET", f"{CONFIGMAPS}?{query}")
        assert (status, names(listed)) == (200, ["a", "b"])
        assert listed["metadata"]["resourceVersion"] == str(made[1])


async def test_not_older_is_as_new_as_there_is(http, made):
    later = f"resourceVersion={made[1]}"
    for query in (later, f"{later}&resourceVersionMatch=NotOlderThan", "resourceVersion=0"):
        status, listed, _ = await http.call("GET", f"{CONFIGMAPS}?{query}")
        assert (status, names(listed)) == (200, ["a", "b", "c"])
    status, listed, _ = await http.call("GET", f"{CONFIGMAPS}?resourceVersion=0&limit=1")
    assert names(listed) == ["a", "b", "c"], "any version takes no notice of a limit"
    query = f"resourceVersion={made[1]}&resourceVersionMatch=NotOlderThan&limit=1"
    _, listed, _ = await http.call("GET", f"{CONFIGMAPS}?{query}")
    assert (len(listed["items"]), "continue" in listed["metadata"]) == (1, True)


async def test_one_object_may_be_read_from_any_version_on(http, made):
    for query in ("resourceVersion=0", f"resourceVersion={made[2]}", ""):
        status, said, _ = await http.call("GET", f"{CONFIGMAPS}/a?{query}")
        assert (status, said["metadata"]["resourceVersion"]) == (200, str(made[0]))
    assert (await http.call("GET", f"{CONFIGMAPS}/a?resourceVersion=x"))[0] == 400


async def test_a_version_that_does_not_come_is_504(http, made, monkeypatch):
    monkeypatch.setattr("apiserver.storage.reads.WAIT_S", 0.02)
    for path in (CONFIGMAPS, f"{CONFIGMAPS}/a"):
        status, said, headers = await http.call("GET", f"{path}?resourceVersion=999999999")
        assert (status, said["reason"], headers["Retry-After"]) == (504, "Timeout", "1")
        assert said["details"]["causes"] == [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("continue={token}&resourceVersion=5", 400),
        ("continue={token}&resourceVersionMatch=Exact&resourceVersion=5", 422),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=5&resourceVersionMatch=Nearly", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("sendInitialEvents=false", 422),
        ("watch=1&resourceVersionMatch=NotOlderThan", 422),
        ("watch=1&sendInitialEvents=true", 422),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422),
        ("continue={token}&resourceVersion=0", 200),
    ],
)
async def test_what_does_not_go_together(http, made, query: str, status: int):
    _, page, _ = await http.call("GET", f"{CONFIGMAPS}?limit=1")
    query = query.replace("{token}", page["metadata"]["continue"])
    got, said, _ = await http.call("GET", f"{CONFIGMAPS}?{query}")
    assert got == status, said
    if query.endswith("resourceVersionMatch=Exact") and "sendInitialEvents" in query:
        assert len(said["details"]["causes"]) == 2, "all that is wrong is said at once"


async def test_a_page_that_comes_too_late_may_go_on_inconsistently(http, made):
    _, page, _ = await http.call("GET", f"{CONFIGMAPS}?limit=1")
    later = await http.make("bb")
    kv = http.store.client()
    await kv.compact(int(later["metadata"]["resourceVersion"]))
    status, said, _ = await http.call("GET", f"{CONFIGMAPS}?limit=1&continue={page['metadata']['continue']}")
    assert (status, said["reason"]) == (410, "Expired")
    status, rest, _ = await http.call("GET", f"{CONFIGMAPS}?continue={said['metadata']['continue']}")
    assert (status, names(rest)) == (200, ["b", "bb", "c"])


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/v1/watch/namespaces/default/configmaps", ["a", "b", "c"]),
        ("/api/v1/watch/namespaces/default/configmaps/b", ["b"]),
        ("/api/v1/watch/configmaps", ["a", "b", "c"]),
    ],
)
async def test_the_old_paths_of_watches(http, made, path: str, wanted: list[str]):
    async with http.session.get(f"{http.server.url}{path}?fieldSelector=metadata.namespace%3Ddefault&timeoutSeconds=1") as answer:
        assert answer.status == 200
        text = await answer.text()
    assert [name for name in ("a", "b", "c") if f'"name":"{name}"' in text] == wanted


async def test_initial_events_wait_for_a_version_that_is_not_there_yet(http, made):
    """The headers are out, so the client knows that it is heard; the state comes when the store is there."""
    watch = await http.watch(f"{WATCH_LIST}&resourceVersion={made[2] + 1}")
    assert watch.status == 200
    next_event = asyncio.create_task(watch.next())
    await asyncio.sleep(0)
    assert not next_event.done()
    await http.make("d")
    seen = [await next_event]
    while seen[-1]["type"] != "BOOKMARK":
        seen.append(await watch.next())
    assert {"a", "b", "c", "d"} <= {event["object"]["metadata"].get("name") for event in seen}
    assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    watch.close()


async def test_initial_events_without_bookmarks(http, made):
    watch = await http.watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Db")
    assert await watch.names(1) == [("ADDED", "b")]
    await http.call("DELETE", f"{CONFIGMAPS}/b")
    assert await watch.names(1) == [("DELETED", "b")]
    watch.close()
