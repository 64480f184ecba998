"""Watches over the socket: where they start, what selectors make of changes, bookmarks, and their ends (kubernetes.md 1.5)."""

from __future__ import annotations

import asyncio

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def list_version(http) -> str:
    _, listed, _ = await http.call("GET", CONFIGMAPS)
    return listed["metadata"]["resourceVersion"]


async def test_without_a_version_the_state_comes_first(http):
    await http.make("a")
    await http.make("b")
    for query in ("", "resourceVersion=0"):
        watch = await http.watch(query)
        assert watch.answer.headers["Content-Type"] == "application/json"
        assert await watch.names(2) == [("ADDED", "a"), ("ADDED", "b")]
        watch.close()


async def test_from_a_version_only_what_is_newer_comes(http):
    await http.make("old")
    version = await list_version(http)
    watch = await http.watch(f"resourceVersion={version}")
    await http.make("new")
    await http.call("PATCH", f"{CONFIGMAPS}/new", {"data": {"k": "1"}}, Content_Type="application/merge-patch+json")
    await http.call("DELETE", f"{CONFIGMAPS}/new")
    events = [await watch.next() for _ in range(3)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert events[2]["object"]["data"] == {"k": "1"}, "a deletion carries the last state"
    late = await http.watch(f"resourceVersion={version}")
    assert await late.names(3) == [("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new")]


async def test_a_selector_turns_changes_into_coming_and_going(http):
    version = await list_version(http)
    watch = await http.watch(f"resourceVersion={version}&labelSelector=t%3D1")
    await http.make("n", {"t": "1"})
    for value in ("2", "1"):
        patch = {"metadata": {"labels": {"t": value}}}
        await http.call("PATCH", f"{CONFIGMAPS}/n", patch, Content_Type="application/merge-patch+json")
    await http.call("DELETE", f"{CONFIGMAPS}/n")
    events = [await watch.next() for _ in range(4)]
    assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED", "DELETED"]
    assert events[1]["object"]["metadata"]["labels"] == {"t": "1"}, "who leaves is shown as it was"


async def test_one_object_by_field_selector(http):
    version = await list_version(http)
    watch = await http.watch(f"resourceVersion={version}&fieldSelector=metadata.name%3Dwanted")
    await http.make("other")
    await http.make("wanted")
    assert await watch.names(1) == [("ADDED", "wanted")]


async def test_a_patch_that_changes_nothing_is_not_heard_of(http):
    made = await http.make("a", k="1")
    watch = await http.watch(f"resourceVersion={made['metadata']['resourceVersion']}")
    patch = {"data": {"k": "1"}}
    _, same, _ = await http.call("PATCH", f"{CONFIGMAPS}/a", patch, Content_Type="application/merge-patch+json")
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    await http.make("b")
    assert await watch.names(1) == [("ADDED", "b")]


async def test_initial_events_end_with_a_bookmark(http):
    await http.make("a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    watch = await http.watch(query)
    assert await watch.names(1) == [("ADDED", "a")]
    bookmark = await watch.next()
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    await http.make("b")
    assert await watch.names(1) == [("ADDED", "b")]


async def test_a_watch_says_its_last_bookmark_shortly_before_its_end(http):
    version = await list_version(http)
    watch = await http.watch(f"resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=3")
    bookmark = await watch.next()
    assert (bookmark["type"], bookmark["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", version)
    watch.close()


async def test_a_watch_shorter_than_that_has_no_bookmark(http):
    version = await list_version(http)
    watch = await http.watch(f"resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=1")
    assert await watch.ended()


async def test_a_version_that_is_gone_is_410_in_the_stream(http):
    watch = await http.watch("resourceVersion=1")
    assert watch.status == 200
    event = await watch.next()
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert await watch.ended()


async def test_tables_and_metadata_can_be_watched(http):
    version = await list_version(http)
    table = await http.watch(f"resourceVersion={version}", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    partial = await http.watch(
        f"resourceVersion={version}", Accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    )
    await http.make("a", k="1")
    await http.make("b")
    first, second = await table.next(), await table.next()
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert first["object"]["rows"][0]["cells"][:2] == ["a", 1]
    assert second["object"]["columnDefinitions"] is None, "columns come with the first event only"
    event = await partial.next()
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]


async def test_stopping_the_server_ends_watches(http):
    version = await list_version(http)
    watch = await http.watch(f"resourceVersion={version}")
    async with asyncio.timeout(5):
        stopping = asyncio.create_task(http.server.stop())
        assert await watch.ended()
        await stopping


async def test_many_watchers_hear_the_same(http):
    version = await list_version(http)
    watches = [await http.watch(f"resourceVersion={version}") for _ in range(20)]
    for number in range(10):
        await http.make(f"m{number}")
    wanted = [("ADDED", f"m{number}") for number in range(10)]
    for watch in watches:
        assert await watch.names(10) == wanted
