"""What a request is about, as an authorizer is asked: from its method, path and query alone.

It does not matter whether such a resource is served: who may not know, is not told. The rules are kube-apiserver's, so a request
for one namespace counts as one inside of it, and a list with a field selector metadata.name=X as one for X.
"""

from __future__ import annotations

from apiserver.auth import Access, refusal
from apiserver.errors import StatusError
from apiserver.http.messages import Request
from apiserver.http.query import parse_bool
from apiserver.meta import parse_field_selector

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_SPECIAL_VERBS = ("proxy", "watch")


def access_of(request: Request) -> Access:
    parts = [part for part in request.path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Access(request.user, request.method.lower(), path=request.path)
    verb = _VERBS.get(request.method, "")
    is_watch = False
    if rest[0] in _SPECIAL_VERBS and len(rest) > 1:
        verb, is_watch, rest = rest[0], rest[0] == "watch", rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if not name and verb in ("get", "watch"):
        verb = "watch" if is_watch or parse_bool(request.query, "watch") else "list"
        name = _selected_name(request)
    elif not name and verb == "delete":
        verb = "deletecollection"
        name = _selected_name(request)
    return Access(request.user, verb, group, rest[0], namespace, name, subresource, version)


def check_create(request: Request) -> None:
    """A PUT or an apply of what is not there creates it: that takes the right to create. Raises Forbidden."""
    access = access_of(request)._replace(verb="create")
    if not request.gate.authorizer.allows(access):
        raise refusal(access, request.gate.authorizer.decide(access).reason)


def _selected_name(request: Request) -> str:
    text = request.query.get("fieldSelector", "")
    if "metadata.name" not in text:
        return ""
    try:
        return parse_field_selector(text).find_exact("metadata.name") or ""
    except StatusError:
        return ""  # refused later, by whoever needs the selector
