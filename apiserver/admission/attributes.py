"""What an admission plugin is shown, and what a plugin is.

A plugin is a value with two functions: `mutate` may change `attributes.obj` in place, `validate` may refuse by raising
StatusError. Either may be None. All of them mutate, in order, before any of them validates; a plugin that mutates may refuse
there too, and then nothing after it is asked. Deletions are only validated: there is nothing to change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from apiserver.auth import LOOPBACK_USER, User
from apiserver.errors import Cause, StatusError, forbidden
from apiserver.kinds import Resource

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"

MAX_REMEMBERED = 1000
"""Resources whose steps a chain keeps in mind."""

Find = Callable[[str, str, str], Awaitable[dict[str, Any] | None]]
"""find(resource, namespace, name): an object as it is now. resource: "pods", "storageclasses.storage.k8s.io"."""

List = Callable[[str], Awaitable[list[dict[str, Any]]]]
"""list(resource): every object of a resource, as the server knows them: perhaps a moment old."""


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


Step = Callable[[Attributes], Awaitable[None]]


class Plugin(NamedTuple):
    """resources: those it has something to say about, "pods" or "ingresses.networking.k8s.io"; none named: all."""

    name: str
    mutate: Step | None = None
    validate: Step | None = None
    resources: tuple[str, ...] = ()


class Chain:
    """Plugins in their order, and for each resource the steps that are of interest to it, found once."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._steps: dict[Resource, tuple[tuple[Step, ...], tuple[Step, ...]]] = {}

    def steps(self, resource: Resource) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """(those that mutate, those that validate)"""
        found = self._steps.get(resource)
        if found is None:
            name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
            asked = [plugin for plugin in self._plugins if not plugin.resources or name in plugin.resources]
            if len(self._steps) >= MAX_REMEMBERED:
                self._steps.clear()  # custom resources come and go
            found = self._steps[resource] = (
                tuple(plugin.mutate for plugin in asked if plugin.mutate is not None),
                tuple(plugin.validate for plugin in asked if plugin.validate is not None),
            )
        return found


def is_about(attributes: Attributes, plural: str, group: str = "") -> bool:
    """Whether the request is about this resource itself, not a subresource of it."""
    resource = attributes.resource
    return resource.plural == plural and resource.group == group and not attributes.subresource


def refuse(attributes: Attributes, why: str, causes: list[Cause] | None = None) -> StatusError:
    """403: `pods "x" is forbidden: why`."""
    return forbidden(attributes.resource.group, attributes.resource.plural, attributes.name, why, causes)


def find_default(objects: list[dict[str, Any]], *annotations: str) -> dict[str, Any] | None:
    """The object that says it is the default: the youngest, and of one age the first by name."""
    said = [
        obj
        for obj in objects
        if any((obj["metadata"].get("annotations") or {}).get(name) == "true" for name in annotations)
    ]
    said.sort(key=lambda obj: str(obj["metadata"]["name"]))
    said.sort(key=lambda obj: str(obj["metadata"].get("creationTimestamp", "")), reverse=True)
    return said[0] if said else None
