"""Whatever a client sends, it is told what is wrong: no hook of any kind breaks on a body that decoding let through.

Real bodies are damaged at random: fields removed, emptied, replaced, repeated. Then everything that a create and an
update call is called. Only StatusError may come out of it, and validation answers causes.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.errors import Cause, StatusError
from apiserver.kinds import BUILTIN, decode_body
from apiserver.meta import deep_copy, encode

DATA = Path(__file__).parent / "testdata" / "golden_defaults.json"
TEXT = DATA.read_text().replace("<time>", "2026-01-02T03:04:05Z")
BY_KIND = {(resource.api_version, resource.kind): resource for resource in BUILTIN if not resource.is_virtual}
RESPONSES = [
    interaction["response"]
    for interaction in json.loads(TEXT)["interactions"]
    if (interaction["response"]["apiVersion"], interaction["response"]["kind"]) in BY_KIND
]

OTHER_VALUES = st.sampled_from(
    [None, "", "x", "A b", 0, -1, 70000, 1.5, True, [], {}, [None], [{}], [""], {"": None}, {"a": {}}]
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a value."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        found += [(value, key) for key in value]
    elif isinstance(value, list):
        found += [(value, index) for index in range(len(value))]
    for container, key in list(found):
        found += _places(container[key])
    return found


@st.composite
def damaged_objects(draw: st.DrawFn) -> dict[str, Any]:
    obj = deep_copy(draw(st.sampled_from(RESPONSES)))
    for _ in range(draw(st.integers(1, 4))):
        places = [place for place in _places(obj) if place[1] not in ("apiVersion", "kind")]
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        action = draw(st.sampled_from(["remove", "replace", "repeat"]))
        if action == "remove":
            del container[key]
        elif action == "repeat" and isinstance(container, list):
            container.append(deep_copy(container[key]))
        else:
            container[key] = deep_copy(draw(OTHER_VALUES))
    return obj


@settings(max_examples=400, deadline=None)
@given(damaged_objects(), damaged_objects())
def test_no_body_breaks_a_hook(obj: dict[str, Any], other: dict[str, Any]):
    served = BY_KIND[obj["apiVersion"], obj["kind"]]
    other = {**other, "kind": obj["kind"], "apiVersion": obj["apiVersion"]}
    try:
        new = served.to_hub(decode_body(served, encode(obj)).obj)
        old = served.to_hub(decode_body(served, encode(other)).obj)
    except StatusError as refusal:
        assert refusal.code in (400, 422)
        return
    resource = served.stored
    for made in (new, old):
        resource.defaults(made)
    status = deep_copy(new)
    for made in (new, old):
        resource.prepare_create(made)
        _check_causes(resource.validate(made))
        if resource.warn is not None:
            assert all(isinstance(text, str) for text in resource.warn(made, None))
        shown = served.from_hub(deep_copy(made))
        served.row(shown, 1_800_000_000.0)
        assert decode_body(served, encode(shown)).warnings == []
    resource.prepare_status_update(status, old)
    resource.prepare_update(new, old)
    _check_causes(resource.validate(new) + resource.validate_update(new, old))
    resource.generation_changed(new, old)
    for read in served.field_labels.values():
        assert isinstance(read(new), str)
    assert decode_body(resource, encode(new)).warnings == []  # what is stored can be read again


def _check_causes(causes: list[Cause]) -> None:
    for cause in causes:
        assert cause.reason.startswith("FieldValue")
        assert cause.message


# Objects grown from their types: fields that no real body has together ------------------------------------------------

GROWN = {
    "string": ("", "x", "10.0.0.1", "A B", "Always", "10.0.0.0/8", "RollingUpdate", "None"),
    "bytes": ("", "YQ=="),
    "int32": (0, 1, -1, 80),
    "int64": (0, 1, -1, 80),
    "double": (1.5,),
    "boolean": (True, False),
    "quantity": ("1", "0", "-1", "1Gi", "100m"),
    "time": ("2026-01-01T00:00:00Z",),
    "microtime": ("2026-01-01T00:00:00.000000Z",),
    "int-or-string": (0, 1, "x", "50%"),
    "raw": ({}, {"a": 1}),
}
MAX_DEPTH = 7


def _grown(type_: Any, random: Random, depth: int = 0) -> Any:
    if type_.kind == "struct":
        fields = type_.fields.items() if depth < MAX_DEPTH else ()
        return {name: _grown(field.type, random, depth + 1) for name, field in fields if random.random() < 0.35}
    if type_.kind == "list":
        return [_grown(type_.item, random, depth + 1) for _ in range(random.randint(0, 2))]
    if type_.kind == "map":
        return {random.choice(("a", "cpu", "b/c", "storage")): _grown(type_.item, random, depth + 1)}
    return random.choice(GROWN[type_.kind])


def test_no_grown_object_breaks_a_hook():
    random = Random(36)
    for _ in range(6):
        for served in BY_KIND.values():
            made = []
            for _ in range(2):
                body = {**_grown(served.schema, random), "apiVersion": served.api_version, "kind": served.kind}
                body["metadata"] = {"name": "x"}
                made.append(served.to_hub(decode_body(served, encode(body)).obj))
            resource, (new, old) = served.stored, made
            for obj in made:
                resource.defaults(obj)
            resource.prepare_create(old)
            _check_causes(resource.validate(old))
            resource.prepare_update(new, old)
            _check_causes(resource.validate(new) + resource.validate_update(new, old))
