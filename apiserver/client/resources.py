"""How a client names a resource, and where it lives on the server.

A resource is given as anything with `group`, `version` and `plural` (a `kinds.Resource` has them), or as text:

    "pods"  "v1/pods"            core v1
    "apps/v1/deployments"        any other group, built in or custom

Nothing here asks the catalog: a path follows from the three names and a namespace, so a custom resource of a server
that this code has never seen is addressed the same way. Whether a resource is namespaced is for the server to know;
a namespace given makes a namespaced path.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote


class ResourceLike(Protocol):
    """What is needed of a resource to address it."""

    @property
    def group(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def plural(self) -> str: ...


class ResourceName(NamedTuple):
    """group "" is the core group."""

    group: str
    version: str
    plural: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}/{self.plural}" if self.group else f"{self.version}/{self.plural}"


def resource_name(resource: ResourceLike | str) -> ResourceName:
    """The names of a resource. Raises ValueError for a text in none of the forms above."""
    if isinstance(resource, ResourceName):
        return resource
    if isinstance(resource, str):
        return _parse(resource)
    return ResourceName(resource.group, resource.version, resource.plural)


@lru_cache(maxsize=1024)
def _parse(text: str) -> ResourceName:
    parts = text.split("/")
    if not all(parts) or len(parts) > 3:
        raise ValueError(f'{text!r} is not a resource: write "pods" or "apps/v1/deployments"')
    if len(parts) == 3:
        return ResourceName(parts[0], parts[1], parts[2])
    if len(parts) == 2:
        return ResourceName("", parts[0], parts[1])
    return ResourceName("", "v1", parts[0])


def path_of(
    resource: ResourceLike | str, namespace: str | None = None, name: str | None = None, subresource: str = ""
) -> str:
    """The URL path of a collection, an object or a subresource, percent-encoded.

    Raises ValueError for an empty name: it would address the whole collection instead of an object.
    """
    names = resource_name(resource)
    path = f"/apis/{names.group}/{names.version}" if names.group else f"/api/{names.version}"
    if namespace:
        path += f"/namespaces/{quote(namespace, safe='')}"
    path += f"/{names.plural}"
    if name is None:
        return path
    if not name:
        raise ValueError(f"{names}: a name is required, the empty name would address the whole collection")
    path += f"/{quote(name, safe='')}"
    return f"{path}/{subresource}" if subresource else path


def key_of(obj: dict[str, Any]) -> str:
    """ "namespace/name", or "name" for what lives in no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key; namespace is "" for what lives in none."""
    namespace, slash, name = key.partition("/")
    return (namespace, name) if slash else ("", namespace)
