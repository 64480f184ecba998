"""The body of a request, in any of the media types that are taken, as a plain object in canonical form.

JSON and YAML are read strictly and report unknown and duplicate fields; protobuf
passes over what it does not know.
"""

from __future__ import annotations

from apiserver.errors import bad_request
from apiserver.http.media import PROTOBUF, YAML, body_media
from apiserver.http.messages import Object, Request
from apiserver.kinds import (
    WARN,
    Body,
    Resource,
    check_said_type,
    decode_body,
    decode_body_of,
    decode_options,
    find_type,
)
from apiserver.meta import check_objects, split_api_version, summarize_body
from apiserver.protobuf import ProtobufError, decode_message, open_envelope


def read_object(request: Request, resource: Resource, field_validation: str = WARN) -> Body:
    """The body of a create or an update. Raises BadRequest, UnsupportedMediaType, RequestEntityTooLarge."""
    media = body_media(request.headers.get("content-type", ""), is_custom=resource.is_custom)
    if media == PROTOBUF:
        obj = _decode(request.body, resource.schema_name, resource.kind)
        check_said_type(obj, resource.group, resource.version, resource.kind)
        obj.setdefault("metadata", {})
        return Body(obj, [])
    return decode_body(resource, request.body, yaml=media == YAML, field_validation=field_validation)


def read_object_of(
    request: Request,
    schema_name: str,
    group: str,
    version: str,
    kind: str,
    field_validation: str = WARN,
    also: tuple[str, ...] = (),
) -> Body:
    """A body that is no resource of its own: a Binding, an Eviction, a Scale, a TokenRequest. Raises BadRequest …

    also: other versions that mean the same.
    """
    media = body_media(request.headers.get("content-type", ""))
    if media == PROTOBUF:
        obj = _decode(request.body, schema_name, kind)
        check_said_type(obj, group, version, kind, also)
        return Body(obj, [])
    schema = find_type(schema_name)
    return decode_body_of(
        request.body, schema, group, version, kind, yaml=media == YAML, field_validation=field_validation, also=also
    )


def read_options(request: Request, kind: str = "DeleteOptions") -> Object:
    """The body of a delete; {} where there is none. Raises BadRequest, UnsupportedMediaType."""
    if not request.body:
        return {}
    media = body_media(request.headers.get("content-type", ""))
    if media == PROTOBUF:
        obj = _decode(request.body, f"meta.v1.{kind}", kind)
        if obj.get("kind", kind) != kind:
            raise bad_request(f'no kind "{obj["kind"]}" is registered for version "{obj.get("apiVersion", "v1")}"')
        return obj
    return decode_options(request.body, kind, yaml=media == YAML)


def _decode(body: bytes, message: str, kind: str) -> Object:
    """The object of an envelope, with the type that it says, if it says one. Raises BadRequest."""
    try:
        opened = open_envelope(body)
    except ProtobufError as error:
        text = f"the object provided is unrecognized (must be of type {kind}): {error} ({summarize_body(body)})"
        raise bad_request(text) from None
    said = {name: value for name, value in (("apiVersion", opened.api_version), ("kind", opened.kind)) if value}
    if said.get("kind", kind) != kind:
        return said  # whose type is refused; its message is another's
    try:
        obj = decode_message(message, opened.message)
    except ProtobufError as error:
        version = split_api_version(opened.api_version or "v1")[1]
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from None
    check_objects(obj, len(opened.message) // 2)  # two bytes are an object
    return {**said, **obj}
