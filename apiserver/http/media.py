"""What the client wants to have (Accept) and what it sent (Content-Type), as kube-apiserver negotiates them.

Served and taken: JSON, YAML, and protobuf of every built-in kind; of custom resources protobuf has their metadata only. Tables
are JSON or YAML. Two refusals of an Accept header have two texts: no media type of it is known at all (the router's, for built-in
resources), or none of them can have the form that it asks for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from apiserver.errors import StatusError, not_acceptable, unsupported_media_type
from apiserver.protobuf import MEDIA_TYPE as PROTOBUF

JSON = "application/json"
YAML = "application/yaml"
MEDIA_TYPES = (JSON, YAML, PROTOBUF)
STREAM_TYPES = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")

OBJECT, TABLE, PARTIAL, PARTIAL_LIST = "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
AGGREGATED = "APIGroupDiscoveryList"
MAX_ACCEPT_CHARS = 4096


class Wanted(NamedTuple):
    """form: OBJECT, TABLE, PARTIAL, PARTIAL_LIST or AGGREGATED; version of the form; media: JSON, YAML or PROTOBUF."""

    form: str = OBJECT
    version: str = ""
    media: str = JSON


class _Clause(NamedTuple):
    media_type: str
    parameters: dict[str, str]
    quality: float


def _parse(item: str) -> _Clause:
    media_type, *parameters = [part.strip() for part in item.split(";")]
    pairs = dict(part.split("=", 1) for part in parameters if "=" in part)
    named = {name.strip().lower(): value.strip().strip('"') for name, value in pairs.items()}
    try:
        quality = float(named.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return _Clause(media_type.lower(), named, quality)


def _clauses(accept: str) -> list[_Clause]:
    """The client's wishes, best first: by q, then what is exact before `application/*` before `*/*`."""
    clauses = [_parse(item) for item in accept[:MAX_ACCEPT_CHARS].split(",")]
    return sorted(clauses, key=lambda clause: (-clause.quality, clause.media_type.count("*")))


@lru_cache(maxsize=1024)
def negotiate(
    accept: str, forms: tuple[str, ...] = (OBJECT,), *, is_custom: bool = False, is_watch: bool = False
) -> Wanted:
    """The first of the client's wishes that can be met. Raises NotAcceptable."""
    if not accept.strip():
        return Wanted()
    clauses = _clauses(accept)
    for clause in clauses:
        for media in _matching(clause.media_type):
            if _can_be(media, clause.parameters, forms, is_custom=is_custom, is_watch=is_watch):
                return Wanted(clause.parameters.get("as", OBJECT), clause.parameters.get("v", ""), media)
    is_known = any(clause.media_type in (*MEDIA_TYPES, "*/*") for clause in clauses)
    has_streams = TABLE in forms and PARTIAL_LIST in forms  # what a list has, and a single object has not
    if not is_known and not is_custom:
        listed = ", ".join((*MEDIA_TYPES, *STREAM_TYPES) if has_streams else MEDIA_TYPES)
        text = f"406: Not Acceptable\n\nAvailable representations: {listed}"
        raise StatusError(406, "NotAcceptable", text, {})
    accepted: tuple[str, ...] = STREAM_TYPES if is_watch else MEDIA_TYPES
    if is_custom:
        accepted = tuple(media for media in accepted if not media.startswith(PROTOBUF))
    raise not_acceptable(f"only the following media types are accepted: {', '.join(accepted)}")


def _matching(media_type: str) -> tuple[str, ...]:
    if media_type in MEDIA_TYPES:
        return (media_type,)
    return MEDIA_TYPES if media_type in ("*/*", "application/*") else ()


def _can_be(media: str, parameters: dict[str, str], forms: tuple[str, ...], *, is_custom: bool, is_watch: bool) -> bool:
    form, version = parameters.get("as", OBJECT), parameters.get("v", "")
    if form not in forms or (form and version not in (("v2",) if form == AGGREGATED else ("v1", "v1beta1"))):
        return False
    if parameters.get("stream", "watch" if is_watch else "") not in ("", "watch"):
        return False
    if is_watch and media == YAML:
        return False  # has no way to tell where an event ends
    if media == PROTOBUF:
        return form != TABLE and not (is_custom and form == OBJECT)
    return True


def content_type(wanted: Wanted, *, is_watch: bool = False) -> str:
    """Of an answer. JSON's stream has no name of its own."""
    return STREAM_TYPES[1] if is_watch and wanted.media == PROTOBUF else wanted.media


def body_media(content_type: str, *, is_custom: bool = False) -> str:
    """What a request's body is: JSON, YAML or PROTOBUF. Raises UnsupportedMediaType."""
    media_type = content_type.partition(";")[0].strip().lower() if content_type else JSON
    taken = MEDIA_TYPES[:2] if is_custom else MEDIA_TYPES
    if media_type not in taken:
        raise unsupported_media_type(list(taken))
    return media_type


PATCH_TYPES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def patch_type(content_type: str) -> str:
    """ "json", "merge", "strategic" or "apply". Raises UnsupportedMediaType."""
    found = PATCH_TYPES.get(content_type.partition(";")[0].strip().lower())
    if found is None:
        raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    return found
