"""Objects in the form the client asked for: as they are stored, as a Table, or their metadata only; in JSON, YAML or protobuf.

JSON of an object is its stored bytes. Its protobuf message is made once and stays with it, whoever asks and however: alone, in a
list, in a watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any

from apiserver.http.media import JSON, OBJECT, PARTIAL, PARTIAL_LIST, PROTOBUF, TABLE, YAML, Wanted
from apiserver.http.messages import Object
from apiserver.kinds import Resource
from apiserver.meta import (
    INCLUDE_METADATA,
    build_table,
    encode,
    encode_yaml,
    partial_object,
    partial_object_list,
    split_api_version,
)
from apiserver.protobuf import encode_list, encode_message, encode_object, has_message, watch_frame, wrap
from apiserver.registry import as_served
from apiserver.storage import BOOKMARK, JsonRender, Render, Stored
from kvcluster.clock import Clock


def message_name(api_version: str, kind: str) -> str:
    """The protobuf message of a type that is not a served resource: core.v1.Pod, meta.v1.Status."""
    group, version = split_api_version(api_version)
    if has_message(f"meta.v1.{kind}") and group in ("", "meta.k8s.io"):
        return f"meta.v1.{kind}"
    return f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


def encode_as(media: str, obj: Object) -> bytes:
    """A plain object that says its own type. Raises KeyError for one that has no protobuf."""
    if media == PROTOBUF:
        return encode_object(message_name(obj.get("apiVersion", "v1"), obj["kind"]), obj)
    return encode_yaml(obj) if media == YAML else encode(obj)


def message_of(resource: Resource, stored: Stored) -> bytes:
    """The object in protobuf, without an envelope."""
    message = stored.message
    if message is None:
        message = stored.message = encode_message(resource.schema_name, stored.obj)
    return message


ENCODE_AT_ONCE = 200
"""Objects of a long list that are encoded before others have their turn."""


async def encode_ahead(resource: Resource, items: Sequence[Stored], wanted: Wanted) -> None:
    """Makes the messages of a long list, in steps; those that are there already cost nothing."""
    if wanted.media != PROTOBUF or wanted.form != OBJECT:
        return
    for begin in range(0, len(items) - ENCODE_AT_ONCE, ENCODE_AT_ONCE):
        for stored in items[begin : begin + ENCODE_AT_ONCE]:
            message_of(resource, stored)
        await asyncio.sleep(0)


def shape_one(resource: Resource, stored: Stored, wanted: Wanted, include: str, clock: Clock) -> bytes:
    if wanted.form == OBJECT:
        if wanted.media == JSON:
            return stored.encoded
        if wanted.media == PROTOBUF:
            return wrap(resource.api_version, resource.kind, message_of(resource, stored))
        return encode_yaml(stored.obj)
    shaped = _shape(resource, [stored], wanted.form, include or INCLUDE_METADATA, clock, first=True)
    return encode_as(wanted.media, shaped)


def _shape(resource: Resource, items: Sequence[Stored], form: str, include: str, clock: Clock, *, first: bool) -> Any:
    objects = [stored.obj for stored in items]
    if form in (PARTIAL, PARTIAL_LIST):
        return partial_object(objects[0])
    now_s = clock.now_s()
    metadata = {"resourceVersion": objects[0]["metadata"].get("resourceVersion", "")} if objects else {}
    return build_table(
        objects, resource.columns, resource.row, now_s, metadata=metadata, include_object=include, with_columns=first
    )


def shape_list(
    resource: Resource, items: Sequence[Stored], metadata: Object, wanted: Wanted, include: str, clock: Clock
) -> bytes:
    """A List, with the items' bytes as they are."""
    if wanted.form == TABLE:
        objects = [stored.obj for stored in items]
        table = build_table(
            objects, resource.columns, resource.row, clock.now_s(), metadata=metadata,
            include_object=include or INCLUDE_METADATA,
        )  # fmt: skip
        return encode_as(wanted.media, table)
    if wanted.form in (PARTIAL, PARTIAL_LIST):
        return encode_as(wanted.media, partial_object_list([stored.obj for stored in items], metadata))
    if wanted.media == PROTOBUF:
        messages = [message_of(resource, stored) for stored in items]
        return encode_list(resource.api_version, resource.list_kind, metadata, messages)
    listed = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata}
    if wanted.media == YAML:
        return encode_yaml({**listed, "items": [stored.obj for stored in items]})
    return encode(listed)[:-1] + list_tail(items)


def list_head(resource: Resource, metadata: Object) -> bytes:
    """How a List in JSON begins; `list_tail` follows."""
    return encode({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata})[:-1]


def list_tail(items: Sequence[Stored]) -> bytes:
    """The items of a List in JSON, and its end: their bytes, copied once."""
    if not items:
        return b',"items":[]}'
    parts = [stored.encoded for stored in items]
    parts[0] = b',"items":[' + parts[0]
    parts[-1] += b"]}"
    return b",".join(parts)


# Watches ------------------------------------------------------------------------------------------------------------


class _ProtobufRender:
    """A watch of plain objects in protobuf."""

    key: Hashable = "protobuf"

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        resource = self._resource
        return watch_frame(type, wrap(resource.api_version, resource.kind, message_of(resource, stored)))


class _ShapedRender:
    """A watch of Tables or of metadata."""

    def __init__(self, resource: Resource, wanted: Wanted, include: str, clock: Clock) -> None:
        self.key: Hashable = (wanted.form, wanted.media, include)
        self._resource = resource
        self._form = wanted.form
        self._media = wanted.media
        self._include = include or INCLUDE_METADATA
        self._clock = clock

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        shaped = _shape(self._resource, [stored], self._form, self._include, self._clock, first=first)
        return event_line(type, shaped, self._media)


class _ViewRender:
    """A watch of a view: what the hub's watch cache holds, in the view's version."""

    def __init__(self, resource: Resource, render: Render) -> None:
        self.key: Hashable = (resource, render.key)
        self._resource = resource
        self._render = render

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        return self._render(type, as_served(self._resource, stored), first)


def event_line(type: str, obj: Object, media: str) -> bytes:
    """An event of a watch about a plain object."""
    if media == PROTOBUF:
        return watch_frame(type, encode_as(media, obj))
    return encode({"type": type, "object": obj}) + b"\n"


def render_of(resource: Resource, wanted: Wanted, include: str, clock: Clock) -> Render:
    """Takes what a watch cache holds: a hub's objects."""
    render: Render
    if wanted.form != OBJECT:
        render = _ShapedRender(resource, wanted, include, clock)
    else:
        render = _ProtobufRender(resource) if wanted.media == PROTOBUF else JsonRender()
    return render if resource.hub is None else _ViewRender(resource, render)


def bookmark_line(resource: Resource, revision: int, wanted: Wanted, *, ends_initial_events: bool) -> bytes:
    """A BOOKMARK: nothing but the kind and the resourceVersion, and the mark that the initial events are over."""
    metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if ends_initial_events:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj: Object = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    if wanted.form == TABLE:
        rows = [{"cells": [None] * len(resource.columns), "object": partial_object(obj)}]
        obj = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": str(revision)},
            "columnDefinitions": None,
            "rows": rows,
        }
    elif wanted.form != OBJECT:
        obj = partial_object(obj)
    if wanted.form == OBJECT and wanted.media == PROTOBUF:
        message = encode_message(resource.schema_name, obj)
        return watch_frame(BOOKMARK, wrap(resource.api_version, resource.kind, message))
    return event_line(BOOKMARK, obj, wanted.media)
