"""Handlers of resources: a request with its target → the registry → bytes.

Each takes (server, request, target) and answers a Response; `VERBS` says which handler a method and a target mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from apiserver.errors import StatusError, bad_request, invalid, method_not_allowed, too_large_resource_version
from apiserver.http.media import (
    OBJECT,
    PARTIAL,
    PARTIAL_LIST,
    TABLE,
    Wanted,
    is_yaml,
    negotiate,
    patch_type,
)
from apiserver.http.messages import Request, Response, bytes_response, json_response
from apiserver.http.query import (
    EXACT,
    check_list_options,
    parse_limit,
    parse_revision,
    parse_selection,
)
from apiserver.http.routes import Target
from apiserver.http.shaping import shape_list, shape_one
from apiserver.http.watching import open_watch
from apiserver.kinds import (
    Resource,
    check_field_validation,
    decode_body,
    decode_body_of,
    decode_object,
    decode_options,
    find_type,
    scale_of,
)
from apiserver.meta import (
    Decoded,
    decode_json,
    deep_copy,
    json_patch,
    merge_patch,
    not_supported,
    parse_json,
    strategic_merge,
)
from apiserver.registry import (
    Registry,
    bind,
    created,
    evict,
    finalize,
    parse_delete_options,
    success,
    write_scale,
)
from apiserver.storage import Stored, decode_continue

Object = dict[str, Any]

READ_FORMS = (OBJECT, TABLE, PARTIAL)
LIST_FORMS = (OBJECT, TABLE, PARTIAL_LIST, PARTIAL)


class Write(NamedTuple):
    """What the query of a write asks for."""

    dry_run: bool
    field_validation: str


def _write_options(request: Request, kind: str) -> Write:
    dry_run = request.query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise invalid("meta.k8s.io", kind, "", [not_supported("dryRun", [dry_run], ("All",))])
    return Write(dry_run == "All", check_field_validation(request.query.get("fieldValidation", ""), kind))


def _answer(
    registry: Registry, target: Target, stored: Stored, wanted: Wanted, request: Request, status: int = 200
) -> Response:
    include = request.query.get("includeObject", "")
    return bytes_response(shape_one(target.resource, stored, wanted.form, include, registry.clock), status)


def _warned(response: Response, resource: Resource, warnings: list[str]) -> Response:
    texts = ([resource.deprecation] if resource.deprecation else []) + warnings
    return response._replace(warnings=tuple(texts)) if texts else response


# ---- reading ----


async def get(registry: Registry, request: Request, target: Target) -> Response:
    wanted = negotiate(request.headers.get("accept", ""), READ_FORMS)
    stored = await registry.get(target.resource, target.namespace, target.name)
    return _warned(_answer(registry, target, stored, wanted, request), target.resource, [])


async def list_or_watch(registry: Registry, request: Request, target: Target) -> Response:
    query = request.query
    is_watch = target.is_watch_path or query.get("watch", "").lower() in ("1", "true")
    wanted = negotiate(request.headers.get("accept", ""), LIST_FORMS)
    check_list_options(query, is_watch=is_watch)
    selection = parse_selection(target.resource, target.namespace, target.name, query)
    if is_watch:
        response = await open_watch(registry, target.resource, selection, query, wanted.form)
        return _warned(response, target.resource, [])
    revision = parse_revision(query)
    position = decode_continue(query["continue"]) if query.get("continue") else None
    limit = parse_limit(query)
    match = query.get("resourceVersionMatch")
    exact = match == EXACT or (not match and limit > 0 and revision > 0)
    # The keys of one namespace are listed alone, so only the selectors are left to look at.
    accepts = selection.accepts if selection.key[1:] != ("", "") else None
    if query.get("resourceVersion") and position is None and not exact and (not limit or revision == 0):
        page = await registry.list_not_older(target.resource, target.namespace, revision, accepts)
    else:
        page = await registry.list(
            target.resource,
            target.namespace,
            revision=revision if exact else 0,
            limit=limit,
            position=position,
            accepts=accepts,
        )
    if revision > page.revision and position is None:
        raise too_large_resource_version(revision, page.revision)
    metadata: Object = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    include = query.get("includeObject", "")
    body = shape_list(target.resource, page.items, metadata, wanted.form, include, registry.clock)
    return _warned(bytes_response(body), target.resource, [])


# ---- writing ----


async def create(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    options = _write_options(request, "CreateOptions")
    wanted = negotiate(request.headers.get("accept", ""), READ_FORMS)
    yaml = is_yaml(request.headers.get("content-type", ""))
    body = decode_body(resource, request.body, yaml=yaml, field_validation=options.field_validation)
    namespace = target.namespace
    if resource.namespaced and not namespace:
        namespace = body.obj["metadata"].get("namespace") or ""
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
    stored = await registry.create(resource, namespace, body.obj, dry_run=options.dry_run)
    return _warned(_answer(registry, target, stored, wanted, request, 201), resource, body.warnings)


async def update(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    options = _write_options(request, "UpdateOptions")
    wanted = negotiate(request.headers.get("accept", ""), READ_FORMS)
    yaml = is_yaml(request.headers.get("content-type", ""))
    body = decode_body(resource, request.body, yaml=yaml, field_validation=options.field_validation)
    _check_names(target, body.obj)
    try:
        stored = await registry.update(
            resource,
            target.namespace,
            target.name,
            lambda old: deep_copy(body.obj),  # another try starts from what was sent
            subresource=target.subresource.name if target.subresource else "",
            prepare=resource.prepare_status_update if target.subresource else None,
            must_name_version=True,
            dry_run=options.dry_run,
        )
    except StatusError as error:
        if error.reason != "NotFound" or not resource.create_on_update or target.subresource:
            raise
        stored = await registry.create(resource, target.namespace, body.obj, dry_run=options.dry_run)
        return _warned(_answer(registry, target, stored, wanted, request, 201), resource, body.warnings)
    return _warned(_answer(registry, target, stored, wanted, request), resource, body.warnings)


def _check_names(target: Target, obj: Object) -> None:
    metadata = obj["metadata"]
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name and name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    if not name:
        raise bad_request("name must be provided")
    if target.resource.namespaced and namespace and namespace != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


async def patch(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    options = _write_options(request, "PatchOptions")
    wanted = negotiate(request.headers.get("accept", ""), READ_FORMS)
    kind = patch_type(request.headers.get("content-type", ""))
    apply, duplicates = _read_patch(kind, request.body, resource)
    warnings: list[str] = []

    def change(old: Object) -> Object:
        obj = apply(old)
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
            raise bad_request("the patch does not leave an object with metadata")
        warnings[:] = decode_object(
            obj, resource.schema, resource.version, resource.kind, duplicates, options.field_validation
        )
        if obj.get("kind") != resource.kind or obj.get("apiVersion") != resource.api_version:
            raise bad_request("the patch may not change kind or apiVersion")
        return obj

    stored = await registry.update(
        resource,
        target.namespace,
        target.name,
        change,
        subresource=target.subresource.name if target.subresource else "",
        prepare=resource.prepare_status_update if target.subresource else None,
        dry_run=options.dry_run,
    )
    return _warned(_answer(registry, target, stored, wanted, request), resource, warnings)


def _read_patch(kind: str, body: bytes, resource: Resource | None) -> tuple[Callable[[Object], Any], tuple[str, ...]]:
    """(old object → new, duplicate fields of the patch). Raises BadRequest for a body that is no patch of its kind."""
    if kind == "json":
        operations = parse_json(body)
        return lambda old: json_patch(old, operations), ()
    decoded: Decoded = decode_json(body)
    if kind == "strategic":
        schema = resource.schema if resource is not None else None
        return lambda old: strategic_merge(old, decoded.obj, schema), decoded.duplicates
    return lambda old: merge_patch(old, decoded.obj), decoded.duplicates


async def delete(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    wanted = negotiate(request.headers.get("accept", ""), READ_FORMS)
    options = parse_delete_options(_delete_body(request), dict(request.query))
    stored, gone = await registry.delete(resource, target.namespace, target.name, options)
    if gone and not resource.graceful:
        uid = stored.obj["metadata"].get("uid", "")
        return _warned(json_response(success(resource, target.name, uid)), resource, [])
    return _warned(_answer(registry, target, stored, wanted, request), resource, [])


def _delete_body(request: Request) -> Object:
    if not request.body:
        return {}
    yaml = is_yaml(request.headers.get("content-type", ""))
    return decode_options(request.body, yaml=yaml)


async def delete_collection(registry: Registry, request: Request, target: Target) -> Response:
    resource = target.resource
    wanted = negotiate(request.headers.get("accept", ""), LIST_FORMS)
    options = parse_delete_options(_delete_body(request), dict(request.query))
    selection = parse_selection(resource, target.namespace, "", request.query)
    accepts = selection.accepts if selection.key[1:] != ("", "") else None
    page = await registry.delete_collection(resource, target.namespace, options, accepts)
    metadata: Object = {"resourceVersion": str(page.revision)}
    return bytes_response(shape_list(resource, page.items, metadata, wanted.form, "", registry.clock))


# ---- subresources ----


async def get_scale(registry: Registry, request: Request, target: Target) -> Response:
    stored = await registry.get(target.resource, target.namespace, target.name)
    return json_response(scale_of(target.resource, stored.obj))


async def put_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = _write_options(request, "UpdateOptions")
    body = _decode_scale(request, options)
    scale = await write_scale(
        registry, target.resource, target.namespace, target.name, lambda old: body, dry_run=options.dry_run
    )
    return json_response(scale)


def _decode_scale(request: Request, options: Write) -> Object:
    yaml = is_yaml(request.headers.get("content-type", ""))
    schema = find_type("autoscaling.v1.Scale")
    return decode_body_of(
        request.body, schema, "autoscaling", "v1", "Scale", yaml=yaml, field_validation=options.field_validation
    ).obj


async def patch_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = _write_options(request, "PatchOptions")
    apply, duplicates = _read_patch(patch_type(request.headers.get("content-type", "")), request.body, None)
    schema = find_type("autoscaling.v1.Scale")

    def change(old: Object) -> Object:
        scale: Object = apply(old)
        decode_object(scale, schema, "v1", "Scale", duplicates, options.field_validation)
        return scale

    scale = await write_scale(registry, target.resource, target.namespace, target.name, change, dry_run=options.dry_run)
    return json_response(scale)


async def post_binding(registry: Registry, request: Request, target: Target) -> Response:
    options = _write_options(request, "CreateOptions")
    yaml = is_yaml(request.headers.get("content-type", ""))
    binding = decode_body_of(request.body, find_type("core.v1.Binding"), "", "v1", "Binding", yaml=yaml).obj
    await bind(registry, target.resource, target.namespace, target.name, binding, dry_run=options.dry_run)
    return json_response(created(), 201)


async def post_eviction(registry: Registry, request: Request, target: Target) -> Response:
    yaml = is_yaml(request.headers.get("content-type", ""))
    schema = find_type("policy.v1.Eviction")
    eviction = decode_body_of(request.body, schema, "policy", "v1", "Eviction", yaml=yaml).obj
    await evict(registry, target.resource, target.namespace, target.name, eviction)
    return json_response(created(), 201)


async def put_finalize(registry: Registry, request: Request, target: Target) -> Response:
    options = _write_options(request, "UpdateOptions")
    body = decode_body(target.resource, request.body, yaml=is_yaml(request.headers.get("content-type", "")))
    stored = await finalize(registry, target.resource, target.name, body.obj, dry_run=options.dry_run)
    return bytes_response(stored.encoded)


Handler = Callable[[Registry, Request, Target], Awaitable[Response]]

COLLECTION: dict[str, tuple[str, Handler]] = {
    "GET": ("list", list_or_watch),
    "POST": ("create", create),
    "DELETE": ("deletecollection", delete_collection),
}
ITEM: dict[str, tuple[str, Handler]] = {
    "GET": ("get", get),
    "PUT": ("update", update),
    "PATCH": ("patch", patch),
    "DELETE": ("delete", delete),
}
SUBRESOURCES: dict[str, dict[str, tuple[str, Handler]]] = {
    "status": {"GET": ("get", get), "PUT": ("update", update), "PATCH": ("patch", patch)},
    "scale": {"GET": ("get", get_scale), "PUT": ("update", put_scale), "PATCH": ("patch", patch_scale)},
    "binding": {"POST": ("create", post_binding)},
    "eviction": {"POST": ("create", post_eviction)},
    "finalize": {"PUT": ("update", put_finalize)},
}


def find_handler(method: str, target: Target) -> Handler:
    """Raises MethodNotAllowed."""
    if target.subresource is not None:
        table = SUBRESOURCES.get(target.subresource.name, {})
        allowed = target.subresource.verbs
    else:
        table = ITEM if target.name and not target.is_watch_path else COLLECTION
        allowed = target.resource.verbs
    found = table.get("GET" if method == "HEAD" else method)
    if found is None or found[0] not in allowed:
        raise method_not_allowed()
    return found[1]
