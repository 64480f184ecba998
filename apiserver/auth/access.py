"""One access that is asked for: who wants to do what to which resource or path; and what an authorizer says to it.

The texts of a refusal are Kubernetes'. What stands in <, > and & is escaped, as kube-apiserver does it: the text may end up on a
web page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from apiserver.auth.user import MASTERS, User
from apiserver.errors import StatusError, forbidden


class Access(NamedTuple):
    """path "": a request for a resource; else one for a path outside of the API groups, where only user and verb count."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    version: str = ""
    path: str = ""


class Decision(NamedTuple):
    """reason: for people; "" = there is nothing to say."""

    allowed: bool
    reason: str = ""


class Rules(NamedTuple):
    """What a user may do in a namespace, as rules of roles. error: why there may be more, "" = this is all."""

    rules: list[dict[str, list[str]]]
    error: str = ""
    is_incomplete: bool = False


class Authorizer(NamedTuple):
    """allows: the answer alone, asked for every request. decide: with its reason. rules: (user, namespace) → Rules."""

    allows: Callable[[Access], bool]
    decide: Callable[[Access], Decision]
    rules: Callable[[User, str], Rules]


EVERYTHING: list[dict[str, list[str]]] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]

ALWAYS_ALLOW = Authorizer(
    allows=lambda access: True,
    decide=lambda access: Decision(True),
    rules=lambda user, namespace: Rules(EVERYTHING),
)


def is_superuser(user: User) -> bool:
    """Members of system:masters may do everything, whatever the roles say: nobody can lock themselves out."""
    return MASTERS in user.groups


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def refusal_text(access: Access) -> str:
    if access.path:
        return f'User "{access.user.name}" cannot {access.verb} path "{access.path}"'.translate(_ESCAPES)
    resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
    what = f'User "{access.user.name}" cannot {access.verb} resource "{resource}" in API group "{access.group}"'
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    return f"{what} {where}".translate(_ESCAPES)


def refusal(access: Access, reason: str = "") -> StatusError:
    """403 for an access that was not allowed."""
    text = refusal_text(access)
    if reason:
        text = f"{text}: {reason}"
    if not access.resource:
        return StatusError(403, "Forbidden", f"forbidden: {text}", {})
    return forbidden(access.group, access.resource, access.name, text)
