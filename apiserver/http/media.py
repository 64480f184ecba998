"""What the client wants to have (Accept) and what it sent (Content-Type).

Served: JSON objects, Tables and PartialObjectMetadata in JSON; taken: JSON and YAML. Protobuf is neither yet: asked for alone it
is 406, sent it is 415 with the list of what would do.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.errors import StatusError, not_acceptable, unsupported_media_type

JSON_TYPES = ("application/json", "application/*", "*/*")
ACCEPTED_BODIES = ["application/json", "application/yaml"]

OBJECT, TABLE, PARTIAL, PARTIAL_LIST = "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
AGGREGATED = "APIGroupDiscoveryList"


class Wanted(NamedTuple):
    """form: OBJECT, TABLE, PARTIAL, PARTIAL_LIST or AGGREGATED; version of the form."""

    form: str = OBJECT
    version: str = ""


def _parse(item: str) -> tuple[str, dict[str, str]]:
    media_type, *parameters = [part.strip() for part in item.split(";")]
    pairs = dict(part.split("=", 1) for part in parameters if "=" in part)
    return media_type.lower(), {name.strip().lower(): value.strip().strip('"') for name, value in pairs.items()}


def negotiate(accept: str, forms: tuple[str, ...] = (OBJECT,)) -> Wanted:
    """The first of the client's wishes that can be met. Raises NotAcceptable."""
    if not accept.strip():
        return Wanted()
    for item in accept.split(","):
        media_type, parameters = _parse(item)
        form = parameters.get("as", OBJECT)
        version = parameters.get("v", "")
        known = form in forms and (not form or version in ("v1", "v2"))
        if media_type in JSON_TYPES and known:
            return Wanted(form, version)
    raise not_acceptable("only the following media types are accepted: application/json")


def is_yaml(content_type: str) -> bool:
    """Whether the body is YAML (else it is JSON). Raises UnsupportedMediaType for what is neither."""
    media_type = _parse(content_type)[0] if content_type else "application/json"
    if media_type in ("application/json", "text/json"):
        return False
    if media_type in ("application/yaml", "text/yaml", "application/x-yaml"):
        return True
    raise unsupported_media_type(ACCEPTED_BODIES)


PATCH_TYPES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def patch_type(content_type: str) -> str:
    """ "json", "merge", "strategic" or "apply". Raises UnsupportedMediaType."""
    found = PATCH_TYPES.get(_parse(content_type)[0] if content_type else "")
    if found is None:
        raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    return found
