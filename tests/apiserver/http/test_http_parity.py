"""The same object as JSON and as protobuf is the same request: for every kind, good objects and bad, and bytes that are none.

Objects are random, so most are refused; then the refusals must be the same, word by word.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from random import Random
from typing import Any

from apiserver.kinds import Resource, catalog
from apiserver.protobuf import MEDIA_TYPE, decode_object, encode_message, has_message, wrap

_PATH = Path(__file__).parent.parent / "protobuf/reference_messages.py"
_spec = importlib.util.spec_from_file_location("reference_messages_of_parity", _PATH)
assert _spec is not None and _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)
reference.TEXTS = ("a", "web", "nginx", "TCP", "80", "v1", "Always", "kubernetes.io/x", "None", "\u00fc", "x" * 70)

ROUNDS = 2
OTHERWISE = ("uid", "creationTimestamp", "clusterIP", "clusterIPs", "nodePort", "lastTransitionTime", "time", "details")
KINDS = [each for each in catalog.resources() if "create" in each.verbs and has_message(each.schema_name)]


def collection(resource: Resource) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}{'/namespaces/default' if resource.namespaced else ''}/{resource.plural}"


def comparable(value: Any) -> Any:
    """Without what differs between any two requests, and without what protobuf does not tell from absence."""
    if isinstance(value, dict):
        kept = {key: comparable(item) for key, item in value.items() if key not in OTHERWISE}
        return {key: item for key, item in kept.items() if item not in (None, [], {})}
    return [comparable(item) for item in value] if isinstance(value, list) else value


async def post(http, resource: Resource, body: bytes, media: str) -> tuple[int, Any]:
    query = "" if resource.is_virtual else "?dryRun=All&fieldValidation=Strict"
    address = f"{http.server.url}{collection(resource)}{query}"
    async with http.session.post(address, data=body, headers={"Content-Type": media, "Accept": media}) as answer:
        raw = await answer.read()
        if answer.headers["Content-Type"] == "application/json":
            return answer.status, json.loads(raw)
        return answer.status, decode_object(resource.schema_name if answer.status < 300 else "meta.v1.Status", raw)


async def test_json_and_protobuf_say_the_same(http):
    dice = Random(5)
    created = 0
    for number in range(ROUNDS):
        for resource in KINDS:
            obj = reference.random_object(resource.schema_name, dice)
            obj["metadata"] = {"name": f"x{number}", "labels": {"a": "b"}}
            message = encode_message(resource.schema_name, obj)
            sent = wrap(resource.api_version, resource.kind, message)
            status, answered = await post(http, resource, sent, MEDIA_TYPE)
            assert status < 500, (resource.plural, answered)
            as_json = await post(http, resource, json.dumps(obj).encode(), "application/json")
            assert (status, comparable(answered)) == (as_json[0], comparable(as_json[1])), resource.plural
            created += status == 201
            broken = bytearray(message)
            for _ in range(3):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            status, answered = await post(http, resource, wrap("", "", bytes(broken)), MEDIA_TYPE)
            assert status < 500, (resource.plural, answered)
    assert created > 20
