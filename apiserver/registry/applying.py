"""PATCH with a configuration: server-side apply of an object that is there, or its creation where it is not."""

from __future__ import annotations

from typing import Any

from apiserver.errors import StatusError, bad_request, conflict
from apiserver.kinds import Resource, decode_object
from apiserver.meta import LAST_APPLIED, apply_configuration, deep_copy, encode, format_time, sorted_json
from apiserver.registry.options import WriteOptions
from apiserver.registry.ownership import shape_for, writer_of
from apiserver.registry.registry import MAX_CONFLICTS, Registry
from apiserver.storage import Stored

Object = dict[str, Any]

MAX_ANNOTATIONS_BYTES = 256 * 1024


async def apply_object(
    registry: Registry,
    resource: Resource,
    namespace: str,
    name: str,
    config: Object,
    options: WriteOptions,
    *,
    force: bool = False,
    subresource: str = "",
) -> tuple[Stored, bool]:
    """(the object, whether it was created). Raises Conflict for what others own, NotFound on a subresource, BadRequest."""
    check_configuration(config, resource.api_version, resource.kind)
    now = format_time(registry.clock.now_s())
    writer = writer_of(resource, subresource, options, now)
    shape = shape_for(resource)

    def change(live: Object) -> Object:
        obj, entries = apply_configuration(shape, live, config, writer, force=force)
        obj = deep_copy(obj)
        decode_object(obj, resource.schema, resource.version, resource.kind, field_validation="Ignore")
        metadata = obj.setdefault("metadata", {})
        if not live and metadata.get("uid"):
            why = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
            raise conflict(resource.group, resource.plural, name, why)
        _check_address(resource, metadata, namespace, name)
        if entries:
            metadata["managedFields"] = entries
        if writer.name == "kubectl":
            _refresh_last_applied(metadata, config)
        return obj

    for _ in range(MAX_CONFLICTS):
        try:
            stored = await registry.update(
                resource, namespace, name, change, subresource=subresource, keeps_entries=True, options=options
            )
            return stored, False
        except StatusError as error:
            details = error.details or {}
            is_ours = details.get("name") == name and details.get("kind") == resource.plural
            if error.reason != "NotFound" or not is_ours or subresource:
                raise
        try:
            return await registry.create(resource, namespace, change({}), options, keeps_entries=True), True
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise  # else somebody was faster, and there is something to apply to
    raise conflict(resource.group, resource.plural, name)


def _check_address(resource: Resource, metadata: Object, namespace: str, name: str) -> None:
    said = metadata.get("namespace")
    if resource.namespaced and said and said != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not metadata.get("name"):
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if metadata["name"] != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")


def check_configuration(config: Object, api_version: str, kind: str) -> None:
    """Raises BadRequest for a configuration of something else."""
    said, said_kind = config.get("apiVersion"), config.get("kind")
    if said != api_version or said_kind != kind:
        group, _, version = str(said or "").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={said_kind or ''}")
    if not isinstance(config.get("metadata") or {}, dict):
        raise bad_request("metadata of the patch must be a map")


def _refresh_last_applied(metadata: Object, config: Object) -> None:
    """kubectl's own annotation follows what kubectl applies here, so that it may go back to applying from its side."""
    annotations = metadata.get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return
    bare = deep_copy(config)
    if isinstance(bare.get("metadata"), dict) and isinstance(bare["metadata"].get("annotations"), dict):
        bare["metadata"]["annotations"].pop(LAST_APPLIED, None)
        if not bare["metadata"]["annotations"]:
            del bare["metadata"]["annotations"]
    annotations[LAST_APPLIED] = sorted_json(bare) + "\n"
    if len(encode(annotations)) > MAX_ANNOTATIONS_BYTES:
        del annotations[LAST_APPLIED]
