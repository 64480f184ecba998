"""POST, PUT, PATCH and DELETE of objects: a body → the registry → the object as stored."""

from __future__ import annotations

from apiserver.errors import StatusError, bad_request, unsupported_media_type
from apiserver.http.answers import (
    LIST_FORMS,
    READ_FORMS,
    Write,
    answer,
    answer_list,
    object_response,
    patch_options,
    wanted_of,
    warned,
    write_options,
)
from apiserver.http.bodies import read_object, read_options
from apiserver.http.media import Wanted, patch_type
from apiserver.http.messages import Object, Request, Response
from apiserver.http.owners import drop_repeated_owners
from apiserver.http.patching import read_configuration, read_patch
from apiserver.http.query import check_list_options, parse_bool, parse_selection, parse_wanted
from apiserver.http.routes import Target
from apiserver.kinds import decode_object
from apiserver.meta import (
    deep_copy,
)
from apiserver.registry import (
    Registry,
    apply_object,
    delete_warnings,
    parse_delete_options,
    returns_deleted,
    success,
)
from apiserver.storage import Stored

CUSTOM_PATCHES = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]


async def create(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    options = write_options(request, "CreateOptions")
    wanted = wanted_of(request, resource, READ_FORMS)
    body = read_object(request, resource, options.field_validation)
    body.warnings.extend(drop_repeated_owners(body.obj))
    namespace = target.namespace
    if resource.namespaced and not namespace:
        namespace = body.obj["metadata"].get("namespace") or ""
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
    stored = await registry.create(resource, namespace, body.obj, options.options)
    warnings = body.warnings + _advice(target, stored, None)
    return warned(answer(registry, target, stored, wanted, request, 201), resource, warnings)


def _advice(target: Target, stored: Stored, old: Object | None) -> list[str]:
    """What the kind warns of where the object itself was written. old: the metadata of before; None for a create."""
    warn = target.resource.warn
    return [] if warn is None or target.subresource is not None else warn(stored.obj, old)


async def update(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    options = write_options(request, "UpdateOptions")
    wanted = wanted_of(request, resource, READ_FORMS)
    body = read_object(request, resource, options.field_validation)
    body.warnings.extend(drop_repeated_owners(body.obj))
    check_names(target, body.obj)
    before: Object = {}

    def change(old: Object) -> Object:
        before["metadata"] = dict(old["metadata"])
        return deep_copy(body.obj)  # another try starts from what was sent

    try:
        stored = await registry.update(
            resource,
            target.namespace,
            target.name,
            change,
            subresource=target.subresource.name if target.subresource else "",
            must_name_version=True,
            options=options.options,
        )
    except StatusError as error:
        if error.reason != "NotFound" or not resource.create_on_update or target.subresource:
            raise
        body.obj["metadata"].pop("resourceVersion", None)
        stored = await registry.create(resource, target.namespace, body.obj, options.options)
        warnings = body.warnings + _advice(target, stored, None)
        return warned(answer(registry, target, stored, wanted, request, 201), resource, warnings)
    warnings = body.warnings + _advice(target, stored, before)
    return warned(answer(registry, target, stored, wanted, request), resource, warnings)


def check_names(target: Target, obj: Object) -> None:
    metadata = obj["metadata"]
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name and name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    if not name:
        raise bad_request(
            f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        )
    if target.resource.namespaced and namespace and namespace != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


async def patch(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    kind = patch_type(request.headers.get("content-type", ""))
    options = patch_options(request, kind)
    wanted = wanted_of(request, resource, READ_FORMS)
    if kind == "apply":
        return await _apply(registry, request, target, options, wanted)
    if kind == "strategic" and resource.is_custom:
        raise unsupported_media_type(CUSTOM_PATCHES)
    a_patch = read_patch(kind, request.body, resource.schema)
    warnings: list[str] = []
    before: Object = {}

    def change(old: Object, known: Object) -> Object:
        before["metadata"] = dict(old["metadata"])
        obj = a_patch.apply(old)
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            raise bad_request("the patch does not leave an object with metadata")
        try:
            warnings[:] = decode_object(
                obj,
                resource.schema,
                resource.version,
                resource.kind,
                a_patch.duplicates,
                options.field_validation,
                is_custom=resource.is_custom,
                known=known,
            )
        except StatusError as error:
            raise a_patch.refusal(error, known) from None
        if obj.get("kind") != resource.kind or obj.get("apiVersion") != resource.api_version:
            raise bad_request("the patch may not change kind or apiVersion")
        warnings.extend(drop_repeated_owners(obj))
        check_names(target, obj)
        return obj

    stored = await registry.update(
        resource,
        target.namespace,
        target.name,
        change_known=change,
        subresource=target.subresource.name if target.subresource else "",
        options=options.options,
    )
    warnings += _advice(target, stored, before)
    return warned(answer(registry, target, stored, wanted, request), resource, warnings)


async def _apply(registry: Registry, request: Request, target: Target, options: Write, wanted: Wanted) -> Response:
    config, warnings = read_configuration(request.body, options.field_validation)
    stored, created = await apply_object(
        registry,
        target.resource,
        target.namespace,
        target.name,
        config,
        options.options,
        force=parse_bool(request.query, "force"),
        subresource=target.subresource.name if target.subresource else "",
    )
    if created:
        warnings += _advice(target, stored, None)
    return warned(answer(registry, target, stored, wanted, request, 201 if created else 200), target.resource, warnings)


async def delete(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    wanted = wanted_of(request, resource, READ_FORMS)
    options = parse_delete_options(read_options(request), request.query)._replace(user=request.user)
    warnings = delete_warnings(resource, options)
    stored, gone = await registry.delete(resource, target.namespace, target.name, options)
    if gone and not returns_deleted(resource):
        uid = stored.obj["metadata"].get("uid", "")
        return warned(object_response(request, success(resource, target.name, uid)), resource, warnings)
    status = 202 if options.cascades and not gone else 200
    return warned(answer(registry, target, stored, wanted, request, status), resource, warnings)


async def delete_collection(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    wanted = wanted_of(request, resource, LIST_FORMS)
    options = parse_delete_options(read_options(request), request.query)._replace(user=request.user)
    query = request.query
    check_list_options(query, is_watch=False)
    selection = parse_selection(resource, target.namespace, "", query)
    page = await registry.delete_collection(
        resource, target.namespace, options, selection.accepts_inside, parse_wanted(query)
    )
    metadata: Object = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return answer_list(registry, target, page.items, metadata, wanted)
