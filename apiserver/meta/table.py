"""meta.k8s.io/v1 Tables and PartialObjectMetadata: what `kubectl get` and metadata clients ask for instead of objects.

Builders only. Which columns a kind has, and how a row is made of an object, the kind itself knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

API_VERSION = "meta.k8s.io/v1"

# What `includeObject` may say.
INCLUDE_NONE = "None"
INCLUDE_METADATA = "Metadata"
INCLUDE_OBJECT = "Object"


class Column(NamedTuple):
    """A column. format "name" marks the object's name; priority 1 and more is shown by `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


def build_table(
    objects: Iterable[dict[str, Any]],
    columns: Sequence[Column],
    row: Callable[[dict[str, Any], float], list[Any]],
    now: float,
    *,
    metadata: dict[str, Any] | None = None,
    include_object: str = INCLUDE_METADATA,
    with_columns: bool = True,
) -> dict[str, Any]:
    """A Table of the objects.

    metadata: of the list (resourceVersion, continue, remainingItemCount). now: seconds since the epoch, for ages.
    with_columns False: column definitions are null, as in every event of a watch but the first.
    """
    return {
        "kind": "Table",
        "apiVersion": API_VERSION,
        "metadata": metadata or {},
        "columnDefinitions": [column._asdict() for column in columns] if with_columns else None,
        "rows": [_row(obj, row(obj, now), include_object) for obj in objects],
    }


def _row(obj: dict[str, Any], cells: list[Any], include_object: str) -> dict[str, Any]:
    if include_object == INCLUDE_OBJECT:
        return {"cells": cells, "object": obj}
    if include_object == INCLUDE_NONE:
        return {"cells": cells, "object": None}
    return {"cells": cells, "object": partial_object(obj)}


def partial_object(obj: dict[str, Any]) -> dict[str, Any]:
    """PartialObjectMetadata: the metadata and nothing else."""
    return {"kind": "PartialObjectMetadata", "apiVersion": API_VERSION, "metadata": obj.get("metadata") or {}}


def partial_object_list(objects: Iterable[dict[str, Any]], metadata: dict[str, Any]) -> dict[str, Any]:
    """PartialObjectMetadataList; metadata is the list's own."""
    items = [partial_object(obj) for obj in objects]
    return {"kind": "PartialObjectMetadataList", "apiVersion": API_VERSION, "metadata": metadata, "items": items}
