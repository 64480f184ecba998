"""Media types: protobuf and YAML in both directions, which of them is answered, and what is refused."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from apiserver.errors import StatusError
from apiserver.http.media import JSON, PROTOBUF, YAML, Wanted, negotiate
from apiserver.http.shaping import encode_ahead
from apiserver.kinds import catalog
from apiserver.protobuf import decode_message, decode_object, encode_message, encode_object, open_envelope, wrap
from apiserver.storage import Stored, encode_value

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
FORMS = ("", "Table", "PartialObjectMetadataList", "PartialObjectMetadata")
AS_LIST = "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def raw(http, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.session.request(method, http.server.url + path, data=body, headers=named) as answer:
        return answer.status, await answer.read(), answer.headers.get("Content-Type", "")


def config_map(name: str, **data: str) -> bytes:
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}
    return encode_object("core.v1.ConfigMap", obj)


@pytest.mark.parametrize(
    ("accept", "media", "form"),
    [
        ("", JSON, ""),
        ("*/*", JSON, ""),
        ("application/vnd.kubernetes.protobuf,application/json", PROTOBUF, ""),
        ("application/json,application/vnd.kubernetes.protobuf", JSON, ""),
        ("application/json;q=0.5,application/vnd.kubernetes.protobuf", PROTOBUF, ""),
        ("*/*,application/yaml", YAML, ""),
        ("application/xml, application/yaml;q=0.1", YAML, ""),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", JSON, ""),
        (f"application/vnd.kubernetes.protobuf;{AS_LIST},application/json", PROTOBUF, "PartialObjectMetadataList"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", JSON, "Table"),
    ],
)
def test_the_first_wish_that_can_be_met(accept: str, media: str, form: str):
    wanted = negotiate(accept, FORMS)
    assert (wanted.media, wanted.form) == (media, form)


def test_custom_resources_have_no_protobuf_but_their_metadata():
    both = "application/vnd.kubernetes.protobuf,application/json"
    assert negotiate(both, FORMS, is_custom=True).media == JSON
    assert negotiate(f"application/vnd.kubernetes.protobuf;{AS_LIST}", FORMS, is_custom=True).media == PROTOBUF
    with pytest.raises(StatusError) as caught:
        negotiate("application/vnd.kubernetes.protobuf", FORMS, is_custom=True)
    assert caught.value.message == "only the following media types are accepted: application/json, application/yaml"


def test_refusals_as_the_real_server_words_them():
    with pytest.raises(StatusError) as caught:
        negotiate("application/msgpack", FORMS)
    assert caught.value.message == (
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
        "application/vnd.kubernetes.protobuf;stream=watch"
    )
    with pytest.raises(StatusError) as caught:
        negotiate("application/json;as=Unheard;v=v1;g=meta.k8s.io", FORMS)
    assert caught.value.message.startswith("only the following media types are accepted: application/json")


async def test_an_object_through_protobuf(http):
    status, body, content_type = await raw(
        http, "POST", CONFIGMAPS, config_map("a", k="v"), Content_Type=PROTOBUF, Accept=PROTOBUF
    )
    assert (status, content_type) == (201, PROTOBUF)
    made = decode_object("core.v1.ConfigMap", body)
    assert (made["kind"], made["metadata"]["name"], made["data"]) == ("ConfigMap", "a", {"k": "v"})
    assert made["metadata"]["resourceVersion"] and made["metadata"]["creationTimestamp"]

    _, as_json, _ = await http.call("GET", f"{CONFIGMAPS}/a")
    assert as_json == made
    made["data"]["k"] = "w"
    status, body, _ = await raw(
        http, "PUT", f"{CONFIGMAPS}/a", encode_object("core.v1.ConfigMap", made), Content_Type=PROTOBUF, Accept=PROTOBUF
    )
    assert status == 200
    assert decode_object("core.v1.ConfigMap", body)["data"] == {"k": "w"}


async def test_a_body_need_not_say_its_type(http):
    body = wrap("", "", encode_message("core.v1.ConfigMap", {"metadata": {"name": "plain"}}))
    status, made, _ = await http.call("POST", CONFIGMAPS, body, Content_Type=PROTOBUF)
    assert (status, made["kind"]) == (201, "ConfigMap")


async def test_lists_in_protobuf_have_their_continue(http):
    for name in "abc":
        await http.make(name, letter=name)
    _, body, content_type = await raw(http, "GET", f"{CONFIGMAPS}?limit=2", Accept=f"{PROTOBUF}, application/json")
    assert content_type == PROTOBUF
    page = decode_object("core.v1.ConfigMapList", body)
    assert page["kind"] == "ConfigMapList"
    assert [item["data"]["letter"] for item in page["items"]] == ["a", "b"]
    assert page["metadata"]["continue"]
    _, body, _ = await raw(http, "GET", CONFIGMAPS, Accept=f"{PROTOBUF};{AS_LIST}")
    partial = decode_object("meta.v1.PartialObjectMetadataList", body)
    assert (partial["kind"], partial["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert [item["metadata"]["name"] for item in partial["items"][:3]] == ["a", "b", "c"]


async def test_deleting_with_options_in_protobuf(http):
    made = await http.make("a")
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
    status, body, content_type = await raw(
        http, "DELETE", f"{CONFIGMAPS}/a", encode_object("meta.v1.DeleteOptions", options),
        Content_Type=PROTOBUF, Accept=f"{PROTOBUF},application/json",
    )  # fmt: skip
    refused = decode_object("meta.v1.Status", body)
    assert (status, content_type, refused["reason"]) == (409, PROTOBUF, "Conflict")
    options["preconditions"]["uid"] = made["metadata"]["uid"]
    status, body, _ = await raw(
        http, "DELETE", f"{CONFIGMAPS}/a", encode_object("meta.v1.DeleteOptions", options),
        Content_Type=PROTOBUF, Accept=PROTOBUF,
    )  # fmt: skip
    assert status == 200
    assert decode_object("meta.v1.Status", body)["status"] == "Success"


async def test_subresources_in_protobuf(http):
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await http.call("POST", "/api/v1/namespaces/default/pods", pod)
    binding = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "p"}, "target": {"name": "n"}}
    status, body, _ = await raw(
        http, "POST", "/api/v1/namespaces/default/pods/p/binding", encode_object("core.v1.Binding", binding),
        Content_Type=PROTOBUF, Accept=PROTOBUF,
    )  # fmt: skip
    assert (status, decode_object("meta.v1.Status", body)["status"]) == (201, "Success")
    _, bound, _ = await http.call("GET", "/api/v1/namespaces/default/pods/p")
    assert bound["spec"]["nodeName"] == "n"


async def test_evictions_of_old_clients(http):
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    for media in ("application/json", PROTOBUF):
        await http.call("POST", "/api/v1/namespaces/default/pods", pod)
        eviction = {"kind": "Eviction", "apiVersion": "policy/v1beta1", "metadata": {"name": "p"}}
        body = encode_object("policy.v1.Eviction", eviction) if media == PROTOBUF else json.dumps(eviction).encode()
        path = "/api/v1/namespaces/default/pods/p/eviction"
        status, answer, _ = await http.call("POST", path, body, Content_Type=media)
        assert (status, answer["status"]) == (201, "Success")
        eviction["apiVersion"] = "policy/v2"
        status, refused, _ = await http.call("POST", path, eviction)
        assert (status, 'registered for version "policy/v2"' in refused["message"]) == (400, True)


async def test_what_is_wrong_with_a_body(http):
    cases = [
        (b"", "the object provided is unrecognized (must be of type ConfigMap): empty data (<empty>)"),
        (b"\x00\x01", "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to "
         "be a protobuf message, expected prefix [107 56 115 0] (0001)"),
        (wrap("v1", "ConfigMap", b"\x0a\x7f"),
         'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF'),
        (wrap("v1", "Secret", b"\x0a\x7f"),
         'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): '
         "unknown conversion"),
    ]  # fmt: skip
    for sent, text in cases:
        status, refused, _ = await http.call("POST", CONFIGMAPS, sent, Content_Type=PROTOBUF)
        assert (status, refused["message"]) == (400, text)


async def test_a_watch_in_protobuf_is_framed(http):
    watch = await http.watch("allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
                             Accept=PROTOBUF)  # fmt: skip
    assert watch.answer.headers["Content-Type"] == "application/vnd.kubernetes.protobuf;stream=watch"

    async def next_event() -> tuple[str, str, dict]:
        size = int.from_bytes(await watch.answer.content.readexactly(4), "big")
        frame = await watch.answer.content.readexactly(size)
        # The message of an event: its type, and a RawExtension with an object in its envelope.
        length = frame[1]
        kind, rest = frame[2 : 2 + length].decode(), frame[2 + length :]
        begin = rest.index(b"k8s\x00")
        opened = open_envelope(rest[begin:])
        return kind, opened.kind, decode_message("core.v1.ConfigMap", opened.message)

    while True:  # what the namespace has already
        kind, _, obj = await next_event()
        if kind == "BOOKMARK":
            break
    assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    await http.make("a", k="v")
    kind, said, obj = await next_event()
    assert (kind, said, obj["metadata"]["name"], obj["data"]) == ("ADDED", "ConfigMap", "a", {"k": "v"})
    await http.call("DELETE", f"{CONFIGMAPS}/a")
    kind, _, obj = await next_event()
    assert (kind, obj["metadata"]["name"]) == ("DELETED", "a")
    watch.answer.close()


async def test_yaml_both_ways(http):
    body = b"kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: y\ndata:\n  k: '1'\n"
    status, answer, content_type = await raw(http, "POST", CONFIGMAPS, body, Content_Type=YAML, Accept=YAML)
    assert (status, content_type) == (201, YAML)
    assert yaml.safe_load(answer)["data"] == {"k": "1"}
    _, answer, _ = await raw(http, "GET", f"{CONFIGMAPS}?limit=1", Accept=YAML)
    assert yaml.safe_load(answer)["kind"] == "ConfigMapList"
    status, refused, content_type = await raw(http, "GET", f"{CONFIGMAPS}/none", Accept=YAML)
    assert (status, content_type, yaml.safe_load(refused)["reason"]) == (404, YAML, "NotFound")
    status, _, _ = await raw(http, "GET", f"{CONFIGMAPS}?watch=1", Accept=YAML)
    assert status == 406


async def test_metadata_is_watched_in_protobuf(http):
    made = await http.make("seen", k="v")
    accept = f"{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    watch = await http.watch("fieldSelector=metadata.name%3Dseen", Accept=accept)
    size = int.from_bytes(await watch.answer.content.readexactly(4), "big")
    frame = await watch.answer.content.readexactly(size)
    partial = decode_object("meta.v1.PartialObjectMetadata", frame[frame.index(b"k8s\x00") :])
    assert partial == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": made["metadata"],
    }
    watch.answer.close()
    refused = await http.watch("resourceVersion=1", Accept=PROTOBUF)
    body = await refused.answer.read()
    if refused.status == 200:  # the stream's own way to say no
        body = body[body.index(b"k8s\x00") :]
    assert decode_object("meta.v1.Status", body)["code"] == 410


async def test_definitions_of_custom_resources_come_in_protobuf(http):
    """As the typed client of apiextensions sends them."""
    props = {"size": {"type": "integer", "minimum": 0}, "any": {"x-kubernetes-preserve-unknown-fields": True}}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": props}, "map": {"additionalProperties": True, "type": "object"}},
    }  # fmt: skip
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": "hats.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "hats", "singular": "hat", "kind": "Hat", "listKind": "HatList"},
            "versions": [version],
        },
    }
    body = encode_object("apiextensions.v1.CustomResourceDefinition", definition)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    status, answer, _ = await raw(http, "POST", path, body, Content_Type=PROTOBUF, Accept=PROTOBUF)
    assert status == 201
    made = decode_object("apiextensions.v1.CustomResourceDefinition", answer)
    assert made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == schema
    status, as_json, _ = await http.call("GET", f"{path}/hats.example.com")
    assert as_json["spec"] == made["spec"]


async def test_long_lists_are_encoded_in_steps():
    resource = catalog.find("", "v1", "configmaps")
    assert resource is not None
    value = encode_value({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}})
    items = [Stored(b"/registry/configmaps/default/a", value, revision) for revision in range(1, 452)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    await encode_ahead(resource, items, Wanted(media=PROTOBUF))
    task.cancel()
    assert turns >= 1
    assert [stored.message is not None for stored in items] == [True] * 400 + [
        False
    ] * 51  # the rest with the list itself


async def test_people_get_their_json_indented(http):
    await http.make("a", k="v")
    _, plain, _ = await raw(http, "GET", f"{CONFIGMAPS}/a")
    assert b"\n" not in plain
    for query, agent, indented in (
        ("?pretty=true", "x", True),
        ("?pretty=1", "x", True),
        ("", "curl/8.0", True),
        ("?pretty=false", "curl/8.0", False),
        ("?pretty=yes", "curl/8.0", False),
    ):
        _, body, _ = await raw(http, "GET", f"{CONFIGMAPS}/a{query}", User_Agent=agent)
        assert body.startswith(b'{\n  "kind": "ConfigMap"') is indented
        _, listed, _ = await raw(http, "GET", f"{CONFIGMAPS}{query}", User_Agent=agent)
        assert (b'\n  "items": [' in listed) is indented
    _, body, _ = await raw(http, "GET", f"{CONFIGMAPS}/none?pretty=true")
    assert body.startswith(b'{\n  "kind": "Status"')
    _, body, content_type = await raw(http, "GET", f"{CONFIGMAPS}/a?pretty=true", Accept=PROTOBUF)
    assert (content_type, body[:4]) == (PROTOBUF, b"k8s\x00")
