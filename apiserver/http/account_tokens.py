"""Tokens of service accounts, asked for: POST serviceaccounts/NAME/token; and what others need to check them themselves.

    /.well-known/openid-configuration     who issues, and where the keys are
    /openid/v1/jwks                       the public keys

Texts and order of the checks: Kubernetes 1.36, registry/core/serviceaccount/storage.
"""

from __future__ import annotations

from uuid import uuid4

from apiserver.auth import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS, ServiceAccountTokens
from apiserver.errors import StatusError, bad_request, conflict, invalid
from apiserver.http.answers import Object, object_response, write_options
from apiserver.http.bodies import read_object_of
from apiserver.http.messages import Request, Response, bytes_response, json_response
from apiserver.http.routes import Target, no_such_resource
from apiserver.meta import encode, format_time, split_api_version
from apiserver.meta import invalid as invalid_field
from apiserver.registry import Registry

_GROUP = "authentication.k8s.io"
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}

CONFIGURATION_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/openid/v1/jwks"


async def post_token(registry: Registry, request: Request, target: Target) -> Response:
    accounts = request.gate.accounts
    if accounts is None or not accounts.keys.can_sign:
        raise no_such_resource()
    options = write_options(request, "CreateOptions")
    schema = "authentication.v1.TokenRequest"
    body = read_object_of(request, schema, _GROUP, "v1", "TokenRequest", options.field_validation)
    asked = body.obj
    spec: Object = asked.setdefault("spec", {})
    _check_address(asked, target)
    account = (await registry.get(target.resource, target.namespace, target.name)).obj
    seconds = spec.get("expirationSeconds")
    seconds = DEFAULT_SECONDS if seconds is None else seconds
    _check_seconds(seconds)
    if accounts.max_seconds:
        seconds = min(seconds, accounts.max_seconds)
    audiences = spec.get("audiences") or list(accounts.audiences)
    reference = spec.get("boundObjectRef")
    bound, node = await _find_bound(registry, target, reference) if reference else (None, None)
    token, expires_s = accounts.issue(account, audiences, seconds, bound, node, str(uuid4()))
    metadata = {
        **(asked.get("metadata") or {}),
        "name": target.name,
        "namespace": target.namespace,
        "uid": str(uuid4()),
        "creationTimestamp": format_time(registry.clock.now_s()),
    }
    answered = {
        "kind": "TokenRequest",
        "apiVersion": f"{_GROUP}/v1",
        "metadata": metadata,
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
        "status": {"token": token, "expirationTimestamp": format_time(expires_s)},
    }
    return object_response(request, answered, 201)._replace(warnings=tuple(body.warnings))


def _check_address(asked: Object, target: Target) -> None:
    metadata = asked.get("metadata") or {}
    for field, wanted in (("name", target.name), ("namespace", target.namespace)):
        said = metadata.get(field)
        if said and said != wanted:
            why = f"must match the service account {field} if specified"
            raise invalid(_GROUP, "TokenRequest", target.name, [invalid_field(f"metadata.{field}", said, why)])


def _check_seconds(seconds: int) -> None:
    why = ""
    if seconds < MIN_SECONDS:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > MAX_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        raise invalid(_GROUP, "TokenRequest", "", [invalid_field("spec.expirationSeconds", seconds, why)])


async def _find_bound(
    registry: Registry, target: Target, reference: Object
) -> tuple[tuple[str, Object] | None, Object | None]:
    """((what, the object), the node of a pod). Raises NotFound, BadRequest, Conflict."""
    api_version, kind, name = (reference.get(field) or "" for field in ("apiVersion", "kind", "name"))
    group, version = split_api_version(api_version) if api_version else ("", "")
    plural = _BINDABLE.get(kind)
    resource = registry.catalog.find("", "v1", plural) if plural and not group else None
    if resource is None:
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    obj = (await registry.get(resource, target.namespace if resource.namespaced else "", name)).obj
    node = None
    if kind == "Pod":
        spec = obj.get("spec") or {}
        if spec.get("serviceAccountName") != target.name:
            raise bad_request(
                f'cannot bind token for serviceaccount "{target.name}" to pod running with different serviceaccount name.'
            )
        if spec.get("nodeName"):
            node = await _find_node(registry, spec["nodeName"])
    there, said = obj["metadata"].get("uid", ""), reference.get("uid") or ""
    if said and said != there:
        why = (
            f"the UID in the bound object reference ({said}) does not match the UID in record. The object might have "
            "been deleted and then recreated"
        )
        raise conflict(group, kind, name, why)
    return (kind.lower(), obj), node


async def _find_node(registry: Registry, name: str) -> Object:
    resource = registry.catalog.find("", "v1", "nodes")
    try:
        return (await registry.get(resource, "", name)).obj if resource else {"metadata": {"name": name}}
    except StatusError:
        return {"metadata": {"name": name}}


def answer_openid(request: Request, accounts: ServiceAccountTokens | None, url: str) -> Response | None:
    """The discovery documents; None for other paths."""
    if accounts is None or request.method not in ("GET", "HEAD"):
        return None
    if request.path == CONFIGURATION_PATH:
        algorithms = sorted({key.algorithm for key in accounts.keys.public})
        document = {
            "issuer": accounts.issuer,
            "jwks_uri": url + KEYS_PATH,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        }
        response = json_response(document)
    elif request.path == KEYS_PATH:
        keys = [key.jwk() for key in accounts.keys.public]
        response = bytes_response(encode({"keys": keys}), content_type="application/jwk-set+json")
    else:
        return None
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
