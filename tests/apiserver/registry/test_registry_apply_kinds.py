"""Every kind that a real server was asked about, applied: made, applied again to no effect, and given up by its manager."""

from __future__ import annotations

import json
from pathlib import Path

GOLDEN = json.loads((Path(__file__).parents[1] / "kinds/testdata/golden_defaults.json").read_text())["interactions"]
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectreviews", "tokenreviews")  # are answered and never stored


async def prepare(api):
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "golden"}})
    await api.ok("POST", "/api/v1/namespaces/golden/serviceaccounts", {"metadata": {"name": "default"}})


def configurations():
    """(the collection's path, an object with a name of its own) of every object that was accepted."""
    for number, interaction in enumerate(GOLDEN):
        path = interaction["path"].partition("?")[0]
        if interaction["status"] != 201 or path.rpartition("/")[2] in REVIEWS:
            continue
        body = json.loads(json.dumps(interaction["body"]))
        if not path.endswith(("customresourcedefinitions", "apiservices")):  # whose names say what they are
            body["metadata"]["name"] = f"x{number}"
        yield path, body


async def test_every_kind_is_applied_twice_and_changes_once(api):
    await prepare(api)
    wrong, count = [], 0
    for path, body in configurations():
        item = f"{path}/{body['metadata']['name']}"
        count += 1
        status, made = await api.apply(item, body)
        if status != 201:
            wrong.append(f"{item}: {status} {made.get('message')}")
            continue
        if "managedFields" not in made["metadata"]:
            continue  # who applies a name alone owns nothing
        status, again = await api.apply(item, body)
        if status != 200 or again["metadata"]["managedFields"] != made["metadata"]["managedFields"]:
            wrong.append(f"{item}: again: {status} {again.get('message')}")
        elif again["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]:
            wrong.append(f"{item}: applied again it changed")
    assert not wrong, "\n".join(wrong)
    assert count > 50


async def test_an_update_with_what_was_read_changes_no_owner(api):
    await prepare(api)
    wrong = []
    for path, body in configurations():
        status, made = await api.call("POST", path, body)
        assert status == 201, made
        status, same = await api.call("PUT", f"{path}/{body['metadata']['name']}", made, agent="other/1")
        if status != 200 or same != made:
            wrong.append(f"{path}: {status} {same.get('message', same)}")
    assert not wrong, "\n".join(wrong)


async def test_labels_change_hands_on_every_kind(api):
    await prepare(api)
    for path, body in configurations():
        item = f"{path}/{body['metadata']['name']}"
        await api.ok("POST", path, body)
        config = {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "metadata": {"name": body["metadata"]["name"]},
        }
        config["metadata"]["labels"] = {"mine": "1"}
        status, obj = await api.apply(item, config)
        assert (status, obj["metadata"]["labels"]["mine"]) == (200, "1"), (item, obj)
        config["metadata"]["labels"] = {"mine": "2"}
        status, error = await api.apply(item, config, "two")
        assert (status, error.get("reason")) == (409, "Conflict"), item
        del config["metadata"]["labels"]
        status, obj = await api.apply(item, config)
        assert "mine" not in obj["metadata"].get("labels", {}), item
        managers = {entry["manager"] for entry in obj["metadata"].get("managedFields", ())}
        assert managers <= {"tester", "before-first-apply"}, item
