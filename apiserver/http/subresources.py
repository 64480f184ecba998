"""Subresources whose body is not the object itself: scale, binding, eviction, finalize."""

from __future__ import annotations

from apiserver.errors import StatusError, bad_request
from apiserver.http.answers import READ_FORMS, answer, object_response, patch_options, wanted_of, write_options
from apiserver.http.bodies import read_object, read_object_of
from apiserver.http.media import patch_type
from apiserver.http.messages import Object, Request, Response
from apiserver.http.patching import read_configuration, read_patch
from apiserver.http.query import parse_bool
from apiserver.http.routes import Target
from apiserver.http.writing import check_names
from apiserver.kinds import decode_object, find_type, scale_of
from apiserver.meta import Writer, deep_copy
from apiserver.registry import (
    Registry,
    apply_to_scale,
    bind,
    check_configuration,
    created,
    evict,
    finalize,
    write_scale,
)


async def get_scale(registry: Registry, request: Request, target: Target) -> Response:
    stored = await registry.get(target.resource, target.namespace, target.name)
    return object_response(request, scale_of(target.resource, stored.obj))


async def put_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "UpdateOptions")
    schema = "autoscaling.v1.Scale"
    body = read_object_of(request, schema, "autoscaling", "v1", "Scale", options.field_validation)
    body.obj.setdefault("metadata", {})
    check_names(target, body.obj)
    scale = await write_scale(
        registry,
        target.resource,
        target.namespace,
        target.name,
        lambda live, writer: (deep_copy(body.obj), None),
        options.options,
    )
    return object_response(request, scale)._replace(warnings=tuple(body.warnings))


async def patch_scale(registry: Registry, request: Request, target: Target) -> Response:
    kind = patch_type(request.headers.get("content-type", ""))
    options = patch_options(request, kind)
    warnings: list[str] = []
    schema = find_type("autoscaling.v1.Scale")
    if kind == "apply":
        config, warnings = read_configuration(request.body, options.field_validation)
        check_configuration(config, "autoscaling/v1", "Scale")
        edit = apply_to_scale(config, force=parse_bool(request.query, "force"))
    else:
        a_patch = read_patch(kind, request.body, schema)

        def edit(live: Object, writer: Writer) -> tuple[Object, list[Object] | None]:
            scale: Object = a_patch.apply(live)
            if not isinstance(scale, dict) or not isinstance(scale.get("metadata"), dict):
                raise bad_request("the patch does not leave an object with metadata")
            try:
                said = decode_object(scale, schema, "v1", "Scale", a_patch.duplicates, options.field_validation)
            except StatusError as error:
                raise a_patch.refusal(error, live) from None
            warnings[:] = said
            check_names(target, scale)
            return scale, None

    scale = await write_scale(registry, target.resource, target.namespace, target.name, edit, options.options)
    return object_response(request, scale)._replace(warnings=tuple(warnings))


async def post_binding(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "CreateOptions")
    binding = read_object_of(request, "core.v1.Binding", "", "v1", "Binding", options.field_validation).obj
    _check_namespace(target, binding)
    await bind(registry, target.resource, target.namespace, target.name, binding, options.options)
    return object_response(request, created(), 201)


async def post_binding_by_name(registry: Registry, request: Request, target: Target) -> Response:
    """POST bindings: the pod is named by the body alone."""
    options = write_options(request, "CreateOptions")
    binding = read_object_of(request, "core.v1.Binding", "", "v1", "Binding", options.field_validation).obj
    _check_namespace(target, binding)
    pods = registry.catalog.find("", "v1", "pods")
    name = (binding.get("metadata") or {}).get("name")
    if pods is None or not name:
        raise bad_request("name must be provided")
    await bind(registry, pods, target.namespace, name, binding, options.options)
    return object_response(request, created(), 201)


async def post_eviction(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "CreateOptions")
    body = read_object_of(
        request, "policy.v1.Eviction", "policy", "v1", "Eviction", options.field_validation, also=("v1beta1",)
    )  # the kubectl of before 1.22 says v1beta1, and so does its drain
    eviction = body.obj
    _check_namespace(target, eviction)
    await evict(registry, target.resource, target.namespace, target.name, eviction, options.options)
    return object_response(request, created(), 201)


def _check_namespace(target: Target, obj: Object) -> None:
    said = (obj.get("metadata") or {}).get("namespace")
    if said and said != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


async def put_finalize(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "UpdateOptions")
    wanted = wanted_of(request, target.resource, READ_FORMS)
    body = read_object(request, target.resource, options.field_validation)
    check_names(target, body.obj)
    stored = await finalize(registry, target.resource, target.name, body.obj, options.options)
    return answer(registry, target, stored, wanted, request)
