"""Every kind, through every door: made, read as JSON, protobuf and a row, written back, patched, applied, deleted.

What changes nothing must keep its resourceVersion, whichever way it comes: controllers that write what they read would
otherwise wake each other for ever. The objects are the minimal ones of tests/apiserver/kinds (golden_defaults.json).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "kinds" / "testdata" / "golden_defaults.json"

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"

# Another writer is at work on these: the server's own publisher of custom resources.
BUSY = ("CustomResourceDefinition",)


def _bodies() -> list[tuple[str, dict[str, Any]]]:
    """One body for each served kind that is stored."""
    found: dict[tuple[str, str], Any] = {}
    for interaction in json.loads(DATA.read_text())["interactions"]:
        path, body = interaction["path"].split("?")[0], interaction["body"]
        if interaction["status"] == 201 and "reviews" not in path:
            found.setdefault((body["apiVersion"], body["kind"]), (path, body))
    return list(found.values())


async def test_every_kind_through_every_door(http):
    await http.call("POST", "/api/v1/namespaces", {"metadata": {"name": "golden"}})
    await http.call("POST", "/api/v1/namespaces/golden/serviceaccounts", {"metadata": {"name": "default"}})
    for path, body in _bodies():
        await _walk(http, path, body)


async def _walk(http: Any, path: str, body: dict[str, Any]) -> None:
    status, made, _ = await http.call("POST", path, body)
    assert status == 201, made
    name = made["metadata"]["name"]
    one = f"{path}/{name}"

    status, read, _ = await http.call("GET", one)
    assert status == 200
    if made["kind"] in BUSY:
        return
    assert read == made

    status, written, _ = await http.call("PUT", one, read)
    assert (status, written) == (200, made), f"a PUT of what was read: {path}"

    async with http.session.get(http.server.url + one, headers={"Accept": PROTOBUF}) as answer:
        assert answer.headers["Content-Type"] == PROTOBUF
        message = await answer.read()
    status, written, _ = await http.call("PUT", one, message, Content_Type=PROTOBUF)
    assert (status, written) == (200, made), f"the same in protobuf: {path}"

    status, found, _ = await http.call("GET", f"{one}/status")
    if status == 200:
        status, written, _ = await http.call("PUT", f"{one}/status", found)
        assert (status, written) == (200, made), f"a PUT of the status that was read: {path}"

    status, table, _ = await http.call("GET", path, Accept=TABLE)
    assert (status, table["kind"]) == (200, "Table")
    assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])

    patch = {"metadata": {"labels": {"p": "q"}}}
    status, patched, _ = await http.call("PATCH", one, patch, Content_Type="application/strategic-merge-patch+json")
    assert (status, patched["metadata"]["labels"]["p"]) == (200, "q")

    if made["kind"] != "Pod":  # what admission added to a pod is not the applier's to take away
        applied = {**body, "metadata": {"name": name}}
        answers = []
        for _ in range(2):
            status, answer, _ = await http.call(
                "PATCH", f"{one}?fieldManager=m&force=true", applied, Content_Type="application/apply-patch+yaml"
            )
            assert status == 200, answer
            answers.append(answer)
        assert answers[0] == answers[1], f"applying again: {path}"

    status, gone, _ = await http.call("DELETE", f"{one}?propagationPolicy=Background")
    assert status == 200, gone
