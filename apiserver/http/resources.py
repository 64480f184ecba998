"""Which handler a method and a target mean.

Each takes (registry, request, target) and answers a Response: `reading`, `writing` and `subresources` have them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apiserver.errors import method_not_allowed
from apiserver.http.account_tokens import post_token
from apiserver.http.component_statuses import read_component_statuses
from apiserver.http.logs import get_log, refuse_session
from apiserver.http.messages import Request, Response
from apiserver.http.reading import get, list_or_watch
from apiserver.http.reviews import (
    review_access,
    review_local_access,
    review_rules,
    review_self,
    review_self_access,
    review_token,
)
from apiserver.http.routes import Target
from apiserver.http.subresources import (
    get_scale,
    patch_scale,
    post_binding,
    post_binding_by_name,
    post_eviction,
    put_finalize,
    put_scale,
)
from apiserver.http.writing import create, delete, delete_collection, patch, update
from apiserver.registry import Registry

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
    "ephemeralcontainers": {"GET": ("get", get), "PUT": ("update", update), "PATCH": ("patch", patch)},
    "approval": {"GET": ("get", get), "PUT": ("update", update), "PATCH": ("patch", patch)},
    "resize": {"GET": ("get", get), "PUT": ("update", update), "PATCH": ("patch", patch)},
    "finalize": {"PUT": ("update", put_finalize)},
    "log": {"GET": ("get", get_log)},
    "exec": {"GET": ("get", refuse_session), "POST": ("create", refuse_session)},
    "attach": {"GET": ("get", refuse_session), "POST": ("create", refuse_session)},
    "portforward": {"GET": ("get", refuse_session), "POST": ("create", refuse_session)},
    "token": {"POST": ("create", post_token)},
}

# Resources that are answered, not stored, by (group, plural); those that are not here are 405.
VIRTUAL: dict[tuple[str, str], dict[str, tuple[str, Handler]]] = {
    ("", "bindings"): {"POST": ("create", post_binding_by_name)},
    ("", "componentstatuses"): {"GET": ("get", read_component_statuses)},
    ("authentication.k8s.io", "selfsubjectreviews"): {"POST": ("create", review_self)},
    ("authentication.k8s.io", "tokenreviews"): {"POST": ("create", review_token)},
    ("authorization.k8s.io", "localsubjectaccessreviews"): {"POST": ("create", review_local_access)},
    ("authorization.k8s.io", "selfsubjectaccessreviews"): {"POST": ("create", review_self_access)},
    ("authorization.k8s.io", "selfsubjectrulesreviews"): {"POST": ("create", review_rules)},
    ("authorization.k8s.io", "subjectaccessreviews"): {"POST": ("create", review_access)},
}


def find_handler(method: str, target: Target) -> tuple[str, Handler]:
    """(verb, handler). Raises MethodNotAllowed."""
    if target.subresource is not None:
        table = SUBRESOURCES.get(target.subresource.name, {})
        allowed = target.subresource.verbs
    elif target.resource.is_virtual:
        table, allowed = VIRTUAL.get((target.resource.group, target.resource.plural), {}), target.resource.verbs
    else:
        table = ITEM if target.name and not target.is_watch_path else COLLECTION
        if target.is_watch_path and method not in ("GET", "HEAD"):
            table = {}  # such a path was authorized as a watch
        allowed = target.resource.verbs
    found = table.get("GET" if method == "HEAD" else method)
    if found is None or found[0] not in allowed:
        raise method_not_allowed()
    return found
