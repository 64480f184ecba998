"""Objects in the form the client asked for: as they are stored, as a Table, or their metadata only."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from apiserver.http.media import OBJECT, PARTIAL, PARTIAL_LIST, TABLE
from apiserver.kinds import Resource
from apiserver.meta import INCLUDE_METADATA, build_table, encode, partial_object, partial_object_list
from apiserver.registry import as_served
from apiserver.storage import BOOKMARK, JsonRender, Render, Stored
from kvcluster.clock import Clock


def shape_one(resource: Resource, stored: Stored, form: str, include: str, clock: Clock) -> bytes:
    if form == OBJECT:
        return stored.encoded
    return encode(_shape(resource, [stored], form, include or INCLUDE_METADATA, clock, first=True))


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
    resource: Resource, items: Sequence[Stored], metadata: dict[str, Any], form: str, include: str, clock: Clock
) -> bytes:
    """A List, with the items' bytes as they are."""
    if form == TABLE:
        objects = [stored.obj for stored in items]
        return encode(
            build_table(
                objects, resource.columns, resource.row, clock.now_s(), metadata=metadata,
                include_object=include or INCLUDE_METADATA,
            )
        )  # fmt: skip
    if form in (PARTIAL, PARTIAL_LIST):
        return encode(partial_object_list([stored.obj for stored in items], metadata))
    head = encode({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata})
    return b"".join((head[:-1], b',"items":[', b",".join([stored.encoded for stored in items]), b"]}"))


class _ShapedRender:
    """A watch of Tables or of metadata."""

    def __init__(self, resource: Resource, form: str, include: str, clock: Clock) -> None:
        self.key: Hashable = (form, include)
        self._resource = resource
        self._form = form
        self._include = include or INCLUDE_METADATA
        self._clock = clock

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        shaped = _shape(self._resource, [stored], self._form, self._include, self._clock, first=first)
        return encode({"type": type, "object": shaped}) + b"\n"


class _ViewRender:
    """A watch of a view: what the hub's watch cache holds, in the view's version."""

    def __init__(self, resource: Resource, render: Render) -> None:
        self.key: Hashable = (resource, render.key)
        self._resource = resource
        self._render = render

    def __call__(self, type: str, stored: Stored, first: bool) -> bytes:
        return self._render(type, as_served(self._resource, stored), first)


def render_of(resource: Resource, form: str, include: str, clock: Clock) -> Render:
    """Takes what a watch cache holds: a hub's objects."""
    render: Render = JsonRender() if form == OBJECT else _ShapedRender(resource, form, include, clock)
    return render if resource.hub is None else _ViewRender(resource, render)


def bookmark_line(resource: Resource, revision: int, form: str, *, ends_initial_events: bool) -> bytes:
    """A BOOKMARK: nothing but the kind and the resourceVersion, and the mark that the initial events are over."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if ends_initial_events:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj: dict[str, Any] = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    if form == TABLE:
        rows = [{"cells": [None] * len(resource.columns), "object": partial_object(obj)}]
        obj = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": str(revision)},
            "columnDefinitions": None,
            "rows": rows,
        }
    elif form != OBJECT:
        obj = partial_object(obj)
    return encode({"type": BOOKMARK, "object": obj}) + b"\n"
