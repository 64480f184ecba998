"""The operations of resources as OpenAPI says them, in v3 and v2.

kubectl looks for the PATCH and POST of a kind (by `x-kubernetes-group-version-kind`) and their query parameter
fieldValidation: without it, it refuses to let the server validate. `kubectl explain` finds a kind by the path of its resource.
Operation ids are those of Kubernetes, which generated clients are named after.

An operation is written once, with a few words that each dialect puts in its own way (_Says).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.kinds.openapi_custom import published_name
from apiserver.kinds.openapi_schemas import GVK, META, PATCH, V2, gvk, reference
from apiserver.kinds.resource import Resource, Subresource
from apiserver.kinds.schemas import openapi_name, types

Object = dict[str, Any]

ACTION = "x-kubernetes-action"
_MEDIA_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAM_TYPES = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_STATUS, _DELETE_OPTIONS = f"{META}.Status", f"{META}.DeleteOptions"


class _Says(NamedTuple):
    """An operation. body, answer: published names of schemas, "" for none or text; query: (name, type) pairs."""

    id: str
    tag: str
    text: str
    action: str
    kind: Object
    query: tuple[tuple[str, str], ...]
    body: str
    answer: str
    code: str = "200"
    consumes: tuple[str, ...] = ("*/*",)
    produces: tuple[str, ...] = _MEDIA_TYPES


_WRITE_QUERY = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_PATCH_QUERY = (*_WRITE_QUERY, ("force", "boolean"))
_DELETE_QUERY = (
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
)
_LIST_QUERY = (
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
)
_COLLECTION_DELETE_QUERY = tuple(dict.fromkeys((*_LIST_QUERY[1:-2], *_DELETE_QUERY, _LIST_QUERY[-2])))

# verb: (method, action, how its id begins, query parameters)
_COLLECTION_VERBS = {
    "list": ("get", "list", "list", _LIST_QUERY),
    "create": ("post", "post", "create", _WRITE_QUERY),
    "deletecollection": ("delete", "deletecollection", "delete", _COLLECTION_DELETE_QUERY),
}
_ITEM_VERBS = {
    "get": ("get", "get", "read", ()),
    "update": ("put", "put", "replace", _WRITE_QUERY),
    "patch": ("patch", "patch", "patch", _PATCH_QUERY),
    "delete": ("delete", "delete", "delete", _DELETE_QUERY),
}
_SUBRESOURCE_VERBS = {**_ITEM_VERBS, "create": _COLLECTION_VERBS["create"]}


def resource_paths(resource: Resource, dialect: str) -> dict[str, Object]:
    """The path items of a resource and its subresources."""
    name = definition_name(resource)
    namespaces = (True, False) if resource.namespaced and "list" in resource.verbs else (resource.namespaced,)
    paths: dict[str, Object] = {}
    for inside in sorted(namespaces):
        operations = _collection_operations(resource, name, dialect, all_namespaces=resource.namespaced and not inside)
        if operations:
            path = _collection_path(resource, inside=inside)
            paths[path] = {**operations, "parameters": _path_parameters(dialect, namespace=inside)}
    item = f"{_collection_path(resource, inside=resource.namespaced)}/{{name}}"
    operations = {}
    for verb, (method, action, begins, query) in _ITEM_VERBS.items():
        if verb in resource.verbs:
            answer = _STATUS if verb == "delete" and not resource.graceful else name
            says = _says(resource, verb, action, _id(resource, begins), _own_kind(resource), query, name, answer)
            operations[method] = _operation(says, dialect)
    parameters = _path_parameters(dialect, namespace=resource.namespaced, name=resource.kind)
    if operations:
        paths[item] = {**operations, "parameters": parameters}
    for sub in resource.subresources:
        paths[f"{item}/{sub.name}"] = {**_subresource_operations(resource, sub, dialect), "parameters": parameters}
    return paths


def definition_name(resource: Resource) -> str:
    """The name under which the schema of a resource is published."""
    if resource.is_custom:
        return published_name(resource)
    return openapi_name(resource.schema_name)


def subresource_schema(resource: Resource, sub: Subresource) -> str:
    """The definition of a subresource's kind, "" where it is no object of the API (a stream, a proxy)."""
    if sub.kind == resource.kind:
        return resource.schema_name
    group = (sub.group.partition(".")[0] if sub.version else resource.group.partition(".")[0]) or "core"
    name = f"{group}.{sub.version or resource.version}.{sub.kind}"
    return name if name in types() else ""


# Names --------------------------------------------------------------------------------------------------------------


def _camel(group: str) -> str:
    """ "rbacAuthorization" of rbac.authorization.k8s.io, "core" of ""."""
    parts = group.removesuffix(".k8s.io").split(".") if group else ["core"]
    return parts[0] + "".join(part.capitalize() for part in parts[1:])


def _tag(resource: Resource) -> str:
    return f"{_camel(resource.group)}_{resource.version}"


def _id(
    resource: Resource, begins: str, *, collection: bool = False, behind: str = "", scope: str = "Namespaced"
) -> str:
    group = _camel(resource.group)
    where = scope if resource.namespaced else ""
    what = "Collection" if collection else ""
    return f"{begins}{group[0].upper()}{group[1:]}{resource.version.capitalize()}{what}{where}{resource.kind}{behind}"


def _own_kind(resource: Resource) -> Object:
    return gvk(resource.group, resource.version, resource.kind)


def _collection_path(resource: Resource, *, inside: bool) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}{'/namespaces/{namespace}' if inside else ''}/{resource.plural}"


# Operations ---------------------------------------------------------------------------------------------------------


def _collection_operations(resource: Resource, name: str, dialect: str, *, all_namespaces: bool) -> dict[str, Object]:
    operations = {}
    for verb, (method, action, begins, query) in _COLLECTION_VERBS.items():
        if verb not in resource.verbs or (all_namespaces and verb != "list"):
            continue
        answer = {"list": f"{name}List", "create": name}.get(verb, _STATUS)
        scope, behind = ("", "ForAllNamespaces") if all_namespaces else ("Namespaced", "")
        id_ = _id(resource, begins, collection=verb == "deletecollection", scope=scope, behind=behind)
        says = _says(resource, verb, action, id_, _own_kind(resource), query, name, answer)
        operations[method] = _operation(says, dialect)
    return operations


def _subresource_operations(resource: Resource, sub: Subresource, dialect: str) -> dict[str, Object]:
    schema = subresource_schema(resource, sub)
    kind = gvk(sub.group, sub.version, sub.kind) if sub.version else gvk(resource.group, resource.version, sub.kind)
    name = definition_name(resource) if schema == resource.schema_name else openapi_name(schema) if schema else ""
    behind = "".join(part.capitalize() for part in sub.name.split("/"))
    operations = {}
    for verb in sub.verbs:
        method, action, begins, query = _SUBRESOURCE_VERBS[verb]
        if sub.name == "log":
            id_ = _id(resource, begins, behind=behind)
            says = _Says(
                id_, _tag(resource), "read the log of a pod", action, kind, (), "", "", produces=("text/plain",)
            )
        elif not schema:  # a stream or a proxy
            id_ = _id(resource, f"connect{method.capitalize()}", behind=behind)
            says = _Says(
                id_, _tag(resource), f"{sub.name} of {resource.kind}", "connect", kind, (), "", "", produces=("*/*",)
            )
        else:
            says = _says(resource, verb, action, _id(resource, begins, behind=behind), kind, query, name, name)
        operations[method] = _operation(says, dialect)
    return operations


def _says(
    resource: Resource, verb: str, action: str, id_: str, kind: Object, query: tuple[tuple[str, str], ...],
    name: str, answer: str,
) -> _Says:  # fmt: skip
    body = {"create": name, "update": name, "patch": PATCH, "delete": _DELETE_OPTIONS}.get(
        verb.removesuffix("collection"), ""
    )
    media = _MEDIA_TYPES[:2] if resource.is_custom else _MEDIA_TYPES
    consumes: tuple[str, ...] = ("*/*",)
    if verb == "patch":
        consumes = tuple(
            media_type for media_type in _PATCH_TYPES if "strategic" not in media_type or not resource.is_custom
        )
    if verb == "list":
        media = (*media, *(_STREAM_TYPES[:1] if resource.is_custom else _STREAM_TYPES))
    code = "201" if verb == "create" else "200"
    return _Says(
        id_, _tag(resource), f"{verb} {resource.kind}", action, kind, query, body, answer, code, consumes, media
    )


def _operation(says: _Says, dialect: str) -> Object:
    is_v2 = dialect == V2
    operation: Object = {"description": says.text, "tags": [says.tag], "operationId": says.id}
    if is_v2:
        operation["consumes"] = list(says.consumes)
        operation["produces"] = list(says.produces)
        operation["schemes"] = ["https"]
    parameters = [_parameter(dialect, "query", *pair) for pair in says.query]
    required = says.body not in ("", _DELETE_OPTIONS)
    if is_v2 and says.body:
        body = {"name": "body", "in": "body", "schema": reference(dialect, says.body)}
        parameters.insert(0, {**body, "required": True} if required else body)
    if parameters:
        operation["parameters"] = parameters
    if not is_v2 and says.body:
        content = {media: {"schema": reference(dialect, says.body)} for media in says.consumes}
        operation["requestBody"] = {"content": content, **({"required": True} if required else {})}
    schema = reference(dialect, says.answer) if says.answer else {"type": "string"}
    answer: Object = {"description": "OK"}
    if is_v2:
        answer["schema"] = schema
    else:
        answer["content"] = {media: {"schema": schema} for media in says.produces}
    # What is created may also have been there (an apply, a dry run), what is deleted may be on its way.
    codes = {"200": answer, says.code: answer}
    if says.action == "patch":
        codes["201"] = answer
    if says.action == "delete":
        codes["202"] = answer
    operation["responses"] = {**codes, "401": {"description": "Unauthorized"}}
    operation[ACTION] = says.action
    operation[GVK] = says.kind
    return operation


def _parameter(dialect: str, where: str, name: str, kind: str) -> Object:
    if dialect == V2:
        parameter: Object = {"name": name, "in": where, "type": kind, "uniqueItems": True}
    else:
        parameter = {"name": name, "in": where, "schema": {"type": kind, "uniqueItems": True}}
    return {**parameter, "required": True} if where == "path" else parameter


def _path_parameters(dialect: str, *, namespace: bool, name: str = "") -> list[Object]:
    listed = [_parameter(dialect, "path", "name", "string")] if name else []
    if namespace:
        listed.append(_parameter(dialect, "path", "namespace", "string"))
    return [*listed, _parameter(dialect, "query", "pretty", "string")]
