"""Subresources whose body is not the object itself: scale, binding, eviction, finalize."""

from __future__ import annotations

from apiserver.http.answers import Object, Write, write_options
from apiserver.http.media import is_yaml, patch_type
from apiserver.http.messages import Request, Response, bytes_response, json_response
from apiserver.http.routes import Target
from apiserver.http.writing import read_patch
from apiserver.kinds import decode_body, decode_body_of, decode_object, find_type, scale_of
from apiserver.registry import Registry, WriteOptions, bind, created, evict, finalize, write_scale


async def get_scale(registry: Registry, request: Request, target: Target) -> Response:
    stored = await registry.get(target.resource, target.namespace, target.name)
    return json_response(scale_of(target.resource, stored.obj))


async def put_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "UpdateOptions")
    body = _decode_scale(request, options)
    scale = await write_scale(
        registry, target.resource, target.namespace, target.name, lambda old: body, options.options
    )
    return json_response(scale)


def _decode_scale(request: Request, options: Write) -> Object:
    yaml = is_yaml(request.headers.get("content-type", ""))
    schema = find_type("autoscaling.v1.Scale")
    return decode_body_of(
        request.body, schema, "autoscaling", "v1", "Scale", yaml=yaml, field_validation=options.field_validation
    ).obj


async def patch_scale(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "PatchOptions")
    apply, duplicates = read_patch(patch_type(request.headers.get("content-type", "")), request.body, None)
    schema = find_type("autoscaling.v1.Scale")

    def change(old: Object) -> Object:
        scale: Object = apply(old)
        decode_object(scale, schema, "v1", "Scale", duplicates, options.field_validation)
        return scale

    scale = await write_scale(registry, target.resource, target.namespace, target.name, change, options.options)
    return json_response(scale)


async def post_binding(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "CreateOptions")
    yaml = is_yaml(request.headers.get("content-type", ""))
    binding = decode_body_of(request.body, find_type("core.v1.Binding"), "", "v1", "Binding", yaml=yaml).obj
    await bind(registry, target.resource, target.namespace, target.name, binding, options.options)
    return json_response(created(), 201)


async def post_eviction(registry: Registry, request: Request, target: Target) -> Response:
    yaml = is_yaml(request.headers.get("content-type", ""))
    schema = find_type("policy.v1.Eviction")
    eviction = decode_body_of(request.body, schema, "policy", "v1", "Eviction", yaml=yaml).obj
    await evict(registry, target.resource, target.namespace, target.name, eviction, WriteOptions(user=request.user))
    return json_response(created(), 201)


async def put_finalize(registry: Registry, request: Request, target: Target) -> Response:
    options = write_options(request, "UpdateOptions")
    body = decode_body(target.resource, request.body, yaml=is_yaml(request.headers.get("content-type", "")))
    stored = await finalize(registry, target.resource, target.name, body.obj, options.options)
    return bytes_response(stored.encoded)
