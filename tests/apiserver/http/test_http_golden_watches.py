"""Watches of a real kube-apiserver 1.36.2, replayed: the same events, in the same order, with the same objects.

testdata/golden_watches.json holds what was streamed while one ConfigMap lived its life: created with label t=1, data changed,
label t=2, label t=1 again, a patch that changes nothing, deleted. Recordings that begin in the past repeat that life; here each
watch begins at the present and sees it once, so the end of the recording is what is compared.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

RECORDED = json.loads((Path(__file__).parent / "testdata/golden_watches.json").read_text())["interactions"]
BY_NAME = {recorded["name"]: recorded for recorded in RECORDED}
CONFIGMAPS = "/api/v1/namespaces/gw/configmaps"
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIFE = 5
"""Events of one life."""


def normal(value: Any, key: str = "") -> Any:
    """Without what is different at each run; an age in a Table's cell too."""
    if isinstance(value, dict):
        # The recordings were made without managedFields.
        return {name: normal(item, name) for name, item in value.items() if name != "managedFields"}
    if isinstance(value, list):
        return [normal(item, key) for item in value]
    if key == "resourceVersion":
        return "<rv>"
    if key == "creationTimestamp" and value:
        return "<time>"
    if key == "cells" and isinstance(value, str) and re.fullmatch(r"\d+s", value):
        return "<age>"
    return UID.sub("<uid>", value) if isinstance(value, str) else value


async def make(http, name: str, value: str) -> None:
    body = {"metadata": {"name": name, "labels": {"t": value}}}
    status, said, _ = await http.call("POST", CONFIGMAPS, body)
    assert status == 201, said


async def live(http) -> None:
    """One ConfigMap's life."""
    await make(http, "n1", "1")
    for patch in (
        {"data": {"k": "v"}},
        {"metadata": {"labels": {"t": "2"}}},
        {"metadata": {"labels": {"t": "1"}}},
        {"data": {"k": "v"}},
    ):
        status, said, _ = await http.call(
            "PATCH", f"{CONFIGMAPS}/n1", patch, Content_Type="application/merge-patch+json"
        )
        assert status == 200, said
    assert (await http.call("DELETE", f"{CONFIGMAPS}/n1"))[0] == 200


@pytest.fixture
async def gw(http):
    await http.call("POST", "/api/v1/namespaces", {"metadata": {"name": "gw"}})
    return http


LIVING = [
    recorded["name"]
    for recorded in RECORDED
    if recorded["name"].startswith("watch") and len(recorded.get("events", ())) >= LIFE
]


@pytest.mark.parametrize("name", LIVING)
async def test_a_life_is_told_as_the_real_server_tells_it(gw, name: str):
    recorded = BY_NAME[name]
    await make(gw, "a", "1")
    await make(gw, "b", "2")
    _, listed, _ = await gw.call("GET", CONFIGMAPS)
    query = recorded["query"].replace("<list rv>", listed["metadata"]["resourceVersion"])
    query = query.replace("timeoutSeconds=2", "timeoutSeconds=20")
    watch = await gw.watch(query, path=CONFIGMAPS, Accept=recorded["accept"])
    assert watch.status == recorded["status"]
    for header, value in recorded["headers"].items():
        assert watch.answer.headers[header] == value
    wanted = recorded["events"] if "<list rv>" not in recorded["query"] else recorded["events"][-LIFE:]
    await live(gw)
    assert [normal(await watch.next()) for _ in wanted] == normal(wanted)
    watch.close()


SILENT = ("sendInitialEvents=false", "watch future rv", "watch negative timeout")


@pytest.mark.parametrize("name", SILENT)
async def test_a_watch_that_has_nothing_to_say_is_open_and_silent(gw, name: str):
    recorded = BY_NAME[name]
    _, listed, _ = await gw.call("GET", CONFIGMAPS)
    query = (
        recorded["query"].replace("<list rv>", listed["metadata"]["resourceVersion"]).replace("Seconds=2", "Seconds=1")
    )
    watch = await gw.watch(query, path=CONFIGMAPS)
    assert watch.status == recorded["status"] == 200
    assert await watch.ended()


async def test_a_watch_cannot_be_continued(gw):
    recorded = BY_NAME["watch with continue"]
    status, said, _ = await gw.call("GET", f"{CONFIGMAPS}?{recorded['query']}")
    assert (status, said) == (recorded["status"], recorded["events"][0])


async def test_pages(gw):
    for name in ("a", "b", "p0", "p1", "p2", "p3", "p4"):
        await make(gw, name, "1")
    query, revisions = "limit=3", set()
    for name in ("paged list, first page", "paged list, second page"):
        _, page, _ = await gw.call("GET", f"{CONFIGMAPS}?{query}")
        wanted = BY_NAME[name]["metadata"]
        assert page["metadata"].keys() == wanted.keys()
        assert page["metadata"]["remainingItemCount"] == wanted["remainingItemCount"]
        token = page["metadata"]["continue"]
        decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        assert str(decoded.pop("rv")) == page["metadata"]["resourceVersion"]
        if "continueDecoded" in BY_NAME[name]:
            assert decoded == {key: value for key, value in BY_NAME[name]["continueDecoded"].items() if key != "rv"}
        revisions.add(page["metadata"]["resourceVersion"])
        assert len(page["items"]) == BY_NAME[name]["items"]
        query = f"limit=3&continue={token}"
    assert len(revisions) == 1 and BY_NAME["paged list, second page"]["sameResourceVersion"]


SAYS = ("api", "apis group", "unknown path", "version", "readyz verbose", "openapi v3 index keys", "api aggregated")
DIFFERENT = {
    "api": "serverAddressByClientCIDRs: the port is any free one; Vary: the same path has an aggregated form",
    "version": "gitVersion says whose build it is, compiler and goVersion that it is none of Go's",
    "readyz verbose": "the checks are those that there are",
    "openapi v3 index keys": "hashes are those of our own documents; lists of groups and versions have none",
    "api aggregated": "compared with the resources' table by the tests of discovery",
}


@pytest.mark.parametrize("name", SAYS)
async def test_what_the_server_says_of_itself(http, name: str):
    recorded = BY_NAME[name]
    status, said, headers = await http.call("GET", recorded["path"], Accept=recorded["accept"])
    assert status == recorded["status"]
    for header in ("Cache-Control", "Content-Type", "Vary"):
        if (name, header) != ("api", "Vary"):
            assert headers.get(header) == recorded["headers"].get(header), header
    wanted = recorded["response"]
    if name not in DIFFERENT:
        assert said == wanted
    elif name == "version":
        assert said.keys() == wanted.keys()
        assert (said["major"], said["minor"]) == (wanted["major"], wanted["minor"])
    elif name == "api":
        assert (said["kind"], said["versions"]) == (wanted["kind"], wanted["versions"])
    elif name == "readyz verbose":
        lines = said.splitlines()
        assert lines[0] == "[+]ping ok"
        assert lines[-1] == wanted.splitlines()[-1]
        assert all(re.fullmatch(r"\[\+\]\S+ ok", line) for line in lines[:-1])
    elif name == "openapi v3 index keys":
        assert {path for path in wanted["paths"] if re.search(r"/v\d", path)} <= set(said["paths"])
        url = said["paths"]["api/v1"]["serverRelativeURL"]
        assert re.sub(r"[0-9A-F]{128}", "<hash>", url) == re.sub(
            r"[0-9A-F]{128}", "<hash>", wanted["example"]["serverRelativeURL"]
        )


async def test_namespaces_as_a_table(gw):
    recorded = BY_NAME["namespaces as Table"]
    _, said, headers = await gw.call("GET", recorded["path"], Accept=recorded["accept"])
    assert headers["Content-Type"] == recorded["headers"]["Content-Type"]
    assert normal(said) == normal(recorded["response"])


def test_everything_that_was_recorded_is_replayed():
    replayed = {*LIVING, *SAYS, *SILENT, "watch with continue", "paged list, first page", "paged list, second page"}
    assert set(BY_NAME) == replayed | {"namespaces as Table"}
