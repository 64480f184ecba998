"""The scale subresource: read, written and applied as an object of its own, owned as one field of the workload.

Who owns the workload's number of replicas owns the Scale's, and the other way round: the entries of the workload are seen as
entries of a Scale while it is written, and what comes of it is put back. Source: apimachinery util/managedfields scalehandler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.errors import invalid
from apiserver.kinds import Resource, apply_scale, decode_object, find_type, scale_of, validate_scale
from apiserver.meta import (
    FieldNode,
    Managed,
    Owned,
    Shape,
    Writer,
    apply_configuration,
    decode_known,
    deep_copy,
    difference,
    encode_managed,
    format_time,
    has_field,
    parse_path,
    set_of_path,
    shape_of,
    update_entries,
)
from apiserver.registry.options import WriteOptions
from apiserver.registry.registry import Registry

Object = dict[str, Any]

SCALE_VERSION = "autoscaling/v1"
_IN_SCALE: FieldNode = {"f:spec": {"f:replicas": {}}}
_STATUS: FieldNode = {"f:status": {}}

Edit = Callable[[Object, Writer], tuple[Object, list[Object] | None]]
"""(the Scale as it is, with its entries; who writes) → (the Scale as it should be, its entries; None: they are tracked)."""


async def write_scale(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    edit: Edit,
    options: WriteOptions = WriteOptions(),  # noqa: B008 - immutable
) -> Object:
    """PUT or PATCH of /scale. -> the new Scale. Raises Conflict, Invalid and what `edit` raises."""
    assert resource.scale is not None
    path = tuple(f"f:{step}" for step in parse_path(resource.scale.spec_replicas))
    shape = _shape()

    def change(obj: Object) -> Object:
        writer = Writer(options.manager, SCALE_VERSION, "scale", format_time(registry.clock.now_s()), _STATUS)
        parents = decode_known(obj["metadata"].get("managedFields"))
        entries = encode_managed(_as_scales(parents, path))
        live = scale_of(resource, obj)
        tracked = {**live, "metadata": {**live["metadata"], "managedFields": entries}} if entries else live
        scale, written = edit(deep_copy(tracked), writer)
        metadata = scale.setdefault("metadata", {})
        metadata.pop("managedFields", None)
        causes = validate_scale(scale)
        if causes:
            raise invalid("autoscaling", "Scale", name, causes)
        if written is None:
            written = update_entries(shape, tracked, scale, writer)
        for field in ("resourceVersion", "uid"):
            if metadata.get(field):
                obj["metadata"][field] = metadata[field]
        apply_scale(resource, obj, scale)
        managed = encode_managed(_as_parents(parents, decode_known(written), path, resource.api_version))
        if managed:
            obj["metadata"]["managedFields"] = managed
        else:
            obj["metadata"].pop("managedFields", None)
        return obj

    stored = await registry.update(
        resource, namespace, name, change, subresource="scale", keeps_entries=True, options=options
    )
    return scale_of(resource, stored.obj)


def apply_to_scale(config: Object, *, force: bool) -> Edit:
    """An `edit` that applies a configuration."""

    def edit(live: Object, writer: Writer) -> tuple[Object, list[Object] | None]:
        scale, entries = apply_configuration(_shape(), live, config, writer, force=force)
        scale = deep_copy(scale)
        decode_object(scale, find_type("autoscaling.v1.Scale"), "v1", "Scale", field_validation="Ignore")
        return scale, entries

    return edit


def _shape() -> Shape:
    return shape_of(find_type("autoscaling.v1.Scale"))


def _as_scales(parents: Managed, path: tuple[str, ...]) -> Managed:
    """The entries of those who own the replicas, as of a Scale."""
    return {
        manager._replace(api_version=SCALE_VERSION if manager.api_version else ""): Owned(
            _IN_SCALE, owned.time, SCALE_VERSION
        )
        for manager, owned in parents.items()
        if has_field(owned.fields, path)
    }


def _as_parents(parents: Managed, scales: Managed, path: tuple[str, ...], api_version: str) -> Managed:
    """The workload's entries, with the replicas owned by whom the Scale's entries say."""
    left = {manager: owned for manager, owned in scales.items() if has_field(owned.fields, ("f:spec", "f:replicas"))}
    managed: Managed = {}
    for manager, owned in parents.items():
        if has_field(owned.fields, path):
            in_scale = manager._replace(api_version=SCALE_VERSION if manager.api_version else "")
            if in_scale not in left:
                rest = difference(owned.fields, set_of_path(path))
                if rest:
                    managed[manager] = owned._replace(fields=rest)
                continue
            del left[in_scale]
        managed[manager] = owned
    for manager, owned in left.items():
        key = manager._replace(api_version=api_version if manager.api_version else "")
        managed[key] = Owned(set_of_path(path), owned.time, api_version)
    return managed
