"""Questions about access: who am I, may I, may they, what may I, and whose token is this.

Each is POSTed like an object, answered with the same object and a status, and forgotten. Texts: Kubernetes 1.36, validation and
storage of authentication.k8s.io and authorization.k8s.io.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.auth import Access, User
from apiserver.errors import Cause, StatusError, bad_request, invalid
from apiserver.http.answers import Object, answer, warned, write_options
from apiserver.http.bodies import read_object
from apiserver.http.media import negotiate
from apiserver.http.messages import Request, Response
from apiserver.http.routes import Target
from apiserver.kinds import Body
from apiserver.meta import child, format_time
from apiserver.meta import invalid as invalid_field
from apiserver.registry import Registry
from apiserver.storage import Stored, encode_value

_ATTRIBUTES, _PATHS = "resourceAttributes", "nonResourceAttributes"


def _read(request: Request, target: Target) -> Body:
    options = write_options(request, "CreateOptions")
    return read_object(request, target.resource, options.field_validation)


def _answer(registry: Registry, request: Request, target: Target, body: Body, obj: Object) -> Response:
    wanted = negotiate(request.headers.get("accept", ""))
    stored = Stored(b"", encode_value(obj), 0)
    return warned(answer(registry, target, stored, wanted, request, 201), target.resource, body.warnings)


# ---- who ----


def user_info(user: User) -> Object:
    said: Object = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    said["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {field: value for field, value in said.items() if value}


async def review_self(registry: Registry, request: Request, target: Target) -> Response:
    """SelfSubjectReview: `kubectl auth whoami`."""
    body = _read(request, target)
    obj: Object = {
        "kind": target.resource.kind,
        "apiVersion": target.resource.api_version,
        "metadata": {"creationTimestamp": format_time(registry.clock.now_s())},
        "status": {"userInfo": user_info(request.user)},
    }
    return _answer(registry, request, target, body, obj)


async def review_token(registry: Registry, request: Request, target: Target) -> Response:
    """TokenReview."""
    body = _read(request, target)
    spec = body.obj.get("spec") or {}
    if not spec.get("token"):
        raise bad_request("token is required for TokenReview in authentication")
    result = await request.gate.authenticator.review(spec["token"], spec.get("audiences") or ())
    status: Object = {}
    if result.user is not None:
        status = {"authenticated": True, "user": user_info(result.user)}
        if result.audiences:
            status["audiences"] = list(result.audiences)
    else:
        status["user"] = {}
        if result.error:
            status["error"] = result.error
    return _answer(registry, request, target, body, {**body.obj, "status": status})


# ---- may ----


def _access(user: User, spec: Object) -> Access:
    asked = spec.get(_ATTRIBUTES)
    if asked is None:
        path = spec[_PATHS]
        return Access(user, path.get("verb", ""), path=path.get("path", "") or "/")
    fields = ("verb", "group", "resource", "namespace", "name", "subresource", "version")
    verb, group, resource, namespace, name, subresource, version = (asked.get(field) or "" for field in fields)
    return Access(user, verb, group, resource, namespace, name, subresource, version)


def _refuse(target: Target, causes: list[Cause]) -> StatusError:
    """An internal type has no kind of its own, so kube-apiserver names none."""
    return invalid(target.resource.group, "", "", causes)


def _check_metadata(obj: Object, *, namespaced: bool = False) -> list[Cause]:
    allowed = {"managedFields", "creationTimestamp", *(("namespace",) if namespaced else ())}
    metadata = obj["metadata"]
    if set(metadata) <= allowed:
        return []
    return [invalid_field("metadata", metadata, "must be empty")]


def _check_attributes(spec: Object) -> list[Cause]:
    if spec.get(_ATTRIBUTES) is not None and spec.get(_PATHS) is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [invalid_field(child("spec", _PATHS), spec[_PATHS], why)]
    if spec.get(_ATTRIBUTES) is None and spec.get(_PATHS) is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid_field(child("spec", _ATTRIBUTES), None, why)]
    return []


def _check_subject(spec: Object) -> list[Cause]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [invalid_field("spec.user", "", "at least one of user or group must be specified")]


def _subject(spec: Object) -> User:
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", spec.get("uid") or "", tuple(spec.get("groups") or ()), extra)


def _decided(request: Request, access: Access) -> Object:
    decision = request.gate.authorizer.decide(access)
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _review(
    registry: Registry,
    request: Request,
    target: Target,
    check: Callable[[Object], list[Cause]],
    who: Callable[[Object], User],
) -> Response:
    body = _read(request, target)
    obj = body.obj
    spec: Object = obj.setdefault("spec", {})
    causes = _check_metadata(obj, namespaced=target.resource.namespaced) + check(spec)
    if causes:
        raise _refuse(target, causes)
    return _answer(registry, request, target, body, {**obj, "status": _decided(request, _access(who(spec), spec))})


async def review_self_access(registry: Registry, request: Request, target: Target) -> Response:
    """SelfSubjectAccessReview: `kubectl auth can-i`."""
    return _review(registry, request, target, _check_attributes, lambda spec: request.user)


async def review_access(registry: Registry, request: Request, target: Target) -> Response:
    """SubjectAccessReview."""
    return _review(registry, request, target, lambda spec: _check_attributes(spec) + _check_subject(spec), _subject)


async def review_local_access(registry: Registry, request: Request, target: Target) -> Response:
    """LocalSubjectAccessReview: of one namespace, by whoever may ask there."""

    def check(spec: Object) -> list[Cause]:
        causes = _check_attributes(spec) + _check_subject(spec)
        asked = spec.get(_ATTRIBUTES)
        if asked is not None and (asked.get("namespace") or "") != target.namespace:
            where = "spec.resourceAttributes.namespace"
            causes.append(invalid_field(where, asked.get("namespace") or "", "must match metadata.namespace"))
        if spec.get(_PATHS) is not None:
            causes.append(invalid_field(child("spec", _PATHS), spec[_PATHS], "disallowed on this kind of request"))
        return causes

    if not target.namespace:
        raise bad_request("namespace is required on this type: LocalSubjectAccessReview")
    return _review(registry, request, target, check, _subject)


async def review_rules(registry: Registry, request: Request, target: Target) -> Response:
    """SelfSubjectRulesReview: `kubectl auth can-i --list`."""
    body = _read(request, target)
    namespace = (body.obj.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise bad_request("no namespace on request")
    found = request.gate.authorizer.rules(request.user, namespace)
    status: Object = {
        "resourceRules": [_part(rule, ("verbs", "apiGroups", "resources", "resourceNames")) for rule in found.rules
                          if rule.get("resources")],
        "nonResourceRules": [_part(rule, ("verbs", "nonResourceURLs")) for rule in found.rules
                             if rule.get("nonResourceURLs")],
        "incomplete": found.is_incomplete,
    }  # fmt: skip
    if found.error:
        status["evaluationError"] = found.error
    obj = {"kind": target.resource.kind, "apiVersion": target.resource.api_version, "metadata": {}, "spec": {}}
    return _answer(registry, request, target, body, {**obj, "status": status})


def _part(rule: dict[str, list[str]], fields: tuple[str, ...]) -> dict[str, Any]:
    return {field: rule[field] for field in fields if rule.get(field)}
