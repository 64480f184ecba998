"""What an admission plugin is shown, and what a plugin is.

A plugin is a value with two functions: `mutate` may change `attributes.obj` in place, `validate` may refuse by raising
StatusError. Either may be None. All of them mutate, in order, before any of them validates.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from apiserver.auth import LOOPBACK_USER, User
from apiserver.kinds import Resource

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"

Find = Callable[[str, str, str], Awaitable[dict[str, Any] | None]]
"""find(plural, namespace, name): an object of the core group or a priority class, as it is now."""

List = Callable[[str], Awaitable[list[dict[str, Any]]]]
"""list(plural): every object of a core resource."""


class Attributes(NamedTuple):
    """obj: what is to be stored (None for DELETE); old: what is there (None for CREATE). user: who asks for it."""

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    obj: dict[str, Any] | None
    old: dict[str, Any] | None
    find: Find
    list: List
    user: User = LOOPBACK_USER
    dry_run: bool = False


class Plugin(NamedTuple):
    name: str
    mutate: Callable[[Attributes], Awaitable[None]] | None = None
    validate: Callable[[Attributes], Awaitable[None]] | None = None


def is_core(attributes: Attributes, plural: str) -> bool:
    """Whether the request is about this core resource itself, not a subresource of it."""
    return not attributes.resource.group and attributes.resource.plural == plural and not attributes.subresource
