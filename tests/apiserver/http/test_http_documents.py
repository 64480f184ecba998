"""Discovery and OpenAPI over HTTP: forms, tags, what may be kept, protobuf."""

from __future__ import annotations

import aiohttp
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from apiserver.protobuf import V2_MEDIA_TYPE, V3_MEDIA_TYPE, decode_object

AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PROTOBUF = "application/vnd.kubernetes.protobuf"


async def get(http, path: str, **headers: str) -> tuple[int, bytes, aiohttp.typedefs.LooseHeaders]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.session.get(http.server.url + path, headers=named, allow_redirects=False) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_aggregated_discovery_has_a_tag(http):
    for accept in (f"application/json;{AGGREGATED}", f"application/json;{AGGREGATED};profile=nopeer,application/json"):
        status, body, headers = await get(http, "/apis", Accept=accept)
        assert (status, headers["Content-Type"]) == (200, accept.partition(",")[0])
        assert "Accept" in headers["Vary"]
        status, body, _ = await get(http, "/apis", Accept=accept, If_None_Match=headers["ETag"])
        assert (status, body) == (304, b"")
    # An old client's second wish, and one that knows nothing of it.
    _, _, headers = await get(
        http, "/apis", Accept="application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,*/*"
    )
    assert headers["Content-Type"] == "application/json"


async def test_discovery_in_protobuf(http):
    _, body, headers = await get(http, "/apis", Accept=f"{PROTOBUF};{AGGREGATED}")
    assert headers["Content-Type"] == f"{PROTOBUF};{AGGREGATED}"
    found = decode_object("apidiscovery.v2.APIGroupDiscoveryList", body)
    names = [item["metadata"]["name"] for item in found["items"]]
    assert names[:2] == ["apiregistration.k8s.io", "apps"]
    _, body, _ = await get(http, "/api/v1", Accept=PROTOBUF)
    listed = decode_object("meta.v1.APIResourceList", body)
    assert listed["groupVersion"] == "v1"
    assert "pods" in [resource["name"] for resource in listed["resources"]]
    _, body, _ = await get(http, "/apis/apps", Accept=PROTOBUF)
    assert decode_object("meta.v1.APIGroup", body)["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}


async def test_a_document_is_found_by_its_hash(http):
    _, index, headers = await http.call("GET", "/openapi/v3")
    status, _, _ = await get(http, "/openapi/v3", If_None_Match=headers["ETag"])
    assert status == 304
    address = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    status, _, headers = await get(http, "/openapi/v3/apis/apps/v1?hash=OLD")
    assert (status, headers["Location"]) == (301, address)
    status, _, headers = await get(http, address)
    assert headers["Cache-Control"] == "public, immutable"
    assert "Accept" in headers["Vary"]
    assert headers["Expires"].endswith("GMT")
    status, body, _ = await get(http, address, If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"")
    _, _, headers = await get(http, "/openapi/v3/apis/apps/v1")
    assert "immutable" not in headers["Cache-Control"]
    status, _, _ = await get(http, address, Accept="text/html")
    assert status == 406


def _document_class():
    """The outermost fields of gnostic's two messages of a document, which share their numbers' types."""
    file = descriptor_pb2.FileDescriptorProto(name="g.proto", package="g", syntax="proto3")
    named = file.message_type.add(name="Named")
    named.field.add(name="name", number=1, type=9, label=1)
    named.field.add(name="value", number=2, type=12, label=1)
    names = file.message_type.add(name="Names")
    names.field.add(name="one", number=1, type=11, label=3, type_name=".g.Named")
    names.field.add(name="two", number=2, type=11, label=3, type_name=".g.Named")
    components = file.message_type.add(name="Components")
    components.field.add(name="schemas", number=1, type=11, label=1, type_name=".g.Names")
    v2 = file.message_type.add(name="V2")
    v2.field.add(name="version", number=1, type=9, label=1)
    v2.field.add(name="paths", number=8, type=11, label=1, type_name=".g.Names")
    v2.field.add(name="definitions", number=9, type=11, label=1, type_name=".g.Names")
    v3 = file.message_type.add(name="V3")
    v3.field.add(name="version", number=1, type=9, label=1)
    v3.field.add(name="paths", number=4, type=11, label=1, type_name=".g.Names")
    v3.field.add(name="components", number=5, type=11, label=1, type_name=".g.Components")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"g.{name}")) for name in ("V2", "V3")}


async def test_openapi_in_protobuf(http):
    classes = _document_class()
    status, body, headers = await get(http, "/openapi/v2", Accept=V2_MEDIA_TYPE)
    assert (status, headers["Content-Type"]) == (200, V2_MEDIA_TYPE.replace("@", "."))
    v2 = classes["V2"].FromString(body)
    assert v2.version == "2.0"
    assert "/api/v1/namespaces/{namespace}/pods" in [path.name for path in v2.paths.two]
    assert "io.k8s.api.core.v1.Pod" in [definition.name for definition in v2.definitions.one]

    status, body, headers = await get(http, "/openapi/v3/apis/apps/v1", Accept=V3_MEDIA_TYPE)
    assert (status, headers["Content-Type"]) == (200, V3_MEDIA_TYPE.replace("@", "."))
    v3 = classes["V3"].FromString(body)
    assert v3.version == "3.0.0"
    assert "/apis/apps/v1/deployments" in [path.name for path in v3.paths.one]
    assert "io.k8s.api.apps.v1.Deployment" in [schema.name for schema in v3.components.schemas.one]
    status, _, _ = await get(http, "/openapi/v2", Accept=V2_MEDIA_TYPE, If_None_Match=f'"{"0" * 128}"')
    assert status == 200
