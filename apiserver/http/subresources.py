"""Subresources whose body is not the object itself: scale, binding, eviction, finalize."""

from __future__ import annotations

from apiserver.http.answers import READ_FORMS, Write, answer, object_response, wanted_of, write_options
from apiserver.http.bodies import read_object, read_object_of
from apiserver.http.media import patch_type
from apiserver.http.messages import Object, Request, Response
from apiserver.http.routes import Target
from apiserver.http.writing import read_patch
from apiserver.kinds import decode_object, find_type, scale_of
from apiserver.registry import Registry, WriteOptions, bind, created, evict, finalize, write_scale


async def get_scale(registry: Registry, request: Request, target: Target) -> Response:
    stored = await registry.get(target.resource, target.namespace, target.name)
    return object_response(request, scale_of(target.resource, stored.obj))


async def put_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "UpdateOptions")
    body = _decode_scale(request, options)
    scale = await write_scale(
        registry, target.resource, target.namespace, target.name, lambda old: body, options.options
    )
    return object_response(request, scale)


def _decode_scale(request: Request, options: Write) -> Object:
    return read_object_of(request, "autoscaling.v1.Scale", "autoscaling", "v1", "Scale", options.field_validation).obj


async def patch_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "PatchOptions")
    apply, duplicates = read_patch(patch_type(request.headers.get("content-type", "")), request.body, None)
    schema = find_type("autoscaling.v1.Scale")

    def change(old: Object) -> Object:
        scale: Object = apply(old)
        decode_object(scale, schema, "v1", "Scale", duplicates, options.field_validation)
        return scale

    scale = await write_scale(registry, target.resource, target.namespace, target.name, change, options.options)
    return object_response(request, scale)


async def post_binding(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "CreateOptions")
    binding = read_object_of(request, "core.v1.Binding", "", "v1", "Binding").obj
    await bind(registry, target.resource, target.namespace, target.name, binding, options.options)
    return object_response(request, created(), 201)


async def post_eviction(registry: Registry, request: Request, target: Target) -> Response:
    eviction = read_object_of(request, "policy.v1.Eviction", "policy", "v1", "Eviction").obj
    await evict(registry, target.resource, target.namespace, target.name, eviction, WriteOptions(user=request.user))
    return object_response(request, created(), 201)


async def put_finalize(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "UpdateOptions")
    wanted = wanted_of(request, target.resource, READ_FORMS)
    body = read_object(request, target.resource)
    stored = await finalize(registry, target.resource, target.name, body.obj, options.options)
    return answer(registry, target, stored, wanted, request)
