"""The rules of every kind, played from a script: what is set in a good object, and what the server says to it.

testdata/validation.txt has one story a paragraph:

    Deployment                          the minimal object of testdata/golden_defaults.json ("create Deployment")
    spec.replicas = -1                  a field set before creation; "unset PATH" takes one away
    then spec.selector = {…}            a field set afterwards, by an update; by one of /status, if it is the status's
    > spec.replicas: Invalid value: …   what is said; a paragraph without any is accepted

The words are Kubernetes'. A text that ends in "…" need only begin so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from apiserver.errors import MAX_CAUSES, Cause, invalid
from apiserver.kinds import Resource, catalog, decode_body
from apiserver.kinds.validation import find_rules, names
from apiserver.meta import deep_copy

DATA = Path(__file__).parent / "testdata"
MINIMAL = {
    i["name"].removeprefix("create "): i["body"]
    for i in json.loads((DATA / "golden_defaults.json").read_text())["interactions"]
}


class Story(NamedTuple):
    line: int
    base: str
    changes: list[tuple[bool, str, Any]]
    said: list[str]


_GONE = object()


def _stories() -> list[Story]:
    stories: list[Story] = []
    current: Story | None = None
    for number, line in enumerate((DATA / "validation.txt").read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            current = None if not text else current
            continue
        if current is None:
            current = Story(number, text, [], [])
            stories.append(current)
        elif text.startswith("> "):
            current.said.append(text[2:])
        else:
            later = text.startswith("then ")
            text = text.removeprefix("then ")
            if text.startswith("unset "):
                current.changes.append((later, text.removeprefix("unset "), _GONE))
            else:
                path, _, value = text.partition(" = ")
                current.changes.append((later, path, json.loads(value)))
    return stories


def _change(obj: Any, path: str, value: Any) -> None:
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        obj = obj[step] if isinstance(step, int) else obj.setdefault(step, {})
    if value is _GONE:
        obj.pop(last, None)
    elif isinstance(last, int) and last == len(obj):
        obj.append(value)
    else:
        obj[last] = value


def _resource(body: dict[str, Any]) -> Resource:
    group, _, version = body["apiVersion"].rpartition("/")
    resource = catalog.find_kind(group, version, body["kind"])
    assert resource is not None
    return resource


def _decoded(resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
    obj = decode_body(resource, json.dumps(body).encode(), field_validation="Strict").obj
    metadata = obj["metadata"]
    metadata.setdefault("uid", "00000000-0000-4000-8000-000000000000")
    if resource.namespaced:
        metadata.setdefault("namespace", "golden")
    resource.defaults(obj)
    if resource.kind == "Pod":
        obj["spec"] |= {"serviceAccountName": "default", "serviceAccount": "default"}
    return obj


def _play(story: Story) -> list[Cause]:
    body = deep_copy(MINIMAL[story.base])
    for later, path, value in story.changes:
        if not later:
            _change(body, path, value)
    resource = _resource(body)
    obj = _decoded(resource, body)
    resource.prepare_create(obj)
    causes = resource.validate(obj)
    if not any(later for later, _, _ in story.changes):
        return causes
    assert causes == [], "what is updated must be good"
    obj["metadata"]["resourceVersion"] = "1"
    old = deep_copy(obj)
    for later, path, value in story.changes:
        if later:
            _change(obj, path, value)
    obj = _decoded(resource, obj)
    if all(path.startswith("status") for later, path, _ in story.changes if later):
        resource.prepare_status_update(obj, old)
        return resource.validate_status(obj, old) + resource.validate_update(obj, old)
    resource.prepare_update(obj, old)
    return resource.validate(obj) + resource.validate_update(obj, old)


def _as_written(said: str, expected: list[str]) -> str:
    """The expectation itself, where what was said begins as it does."""
    found = (text for text in expected if text.endswith("…") and said.startswith(text[:-1]))
    return next(found, said)


STORIES = _stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.line}-{story.base.replace(' ', '-')}")
def test_a_story(story: Story):
    said = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in _play(story)]
    assert [_as_written(text, story.said) for text in said] == story.said


ACCEPTED = list(yaml.safe_load_all((DATA / "accepted.yaml").read_text()))


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda body: f"{body['kind']}-{body['metadata']['name']}")
def test_what_is_in_use_is_accepted(body: dict[str, Any]):
    served = _resource(body)
    obj = decode_body(served, json.dumps(body).encode(), field_validation="Strict").obj
    resource = served.stored
    if served.hub is not None:
        obj = served.to_hub(obj)
    if resource.namespaced:
        obj["metadata"]["namespace"] = "default"
    resource.defaults(obj)
    if resource.kind == "Pod":
        obj["spec"] |= {"serviceAccountName": "default", "serviceAccount": "default"}
    resource.prepare_create(obj)
    assert resource.validate(obj) == []
    assert resource.validate_update(obj, obj) == []


def test_every_resource_that_is_stored_has_rules():
    stored = {
        f"{r.group}/{r.version} {r.plural}".removeprefix("/")
        for r in catalog.resources()
        if not r.is_virtual and r.hub is None
    }
    # Accounts have only metadata; lease candidates, identities and definitions of resources have modules of their own.
    assert stored - set(names()) <= {"v1 serviceaccounts", "apiextensions.k8s.io/v1 customresourcedefinitions"}
    assert set(names()) <= stored
    assert find_rules("v1 nothings") is None


def test_an_object_that_is_wrong_everywhere_is_told_so_at_length_but_not_for_ever():
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    body["metadata"]["labels"] = {f"!{n}": "!" for n in range(5000)}
    resource = _resource(body)
    causes = resource.validate(_decoded(resource, body))
    refusal = invalid("", "ConfigMap", "x", causes)
    assert refusal.details is not None
    assert len(causes) < 2000 and len(refusal.details["causes"]) == MAX_CAUSES
