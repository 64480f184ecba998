"""A path of the API, taken apart: which resource, which namespace, which name, which subresource.

/api/v1/…  /apis/GROUP/VERSION/…      then  [namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.errors import StatusError
from apiserver.kinds import Catalog, Resource, Subresource


class Target(NamedTuple):
    """namespace "": all of them, or a resource that lives in none. subresource None: the object itself."""

    resource: Resource
    namespace: str
    name: str
    subresource: Subresource | None
    is_watch_path: bool = False


def no_such_resource() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def find_target(catalog: Catalog, path: str) -> Target | None:
    """None for a path that is not below a group version. Raises NotFound for a resource that is not served."""
    parts = path[1:].split("/")
    if "" in parts:
        parts = [part for part in parts if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if not catalog.serves(group, version):
        return None
    is_watch_path = rest[0] == "watch" and len(rest) > 1
    if is_watch_path:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3:
        inside = catalog.find(group, version, rest[2])
        if inside is not None and inside.namespaced:
            namespace, rest = rest[1], rest[2:]
    resource = catalog.find(group, version, rest[0])
    if resource is None or len(rest) > 3:
        raise no_such_resource()
    name = rest[1] if len(rest) > 1 else ""
    subresource = None
    if len(rest) == 3:
        subresource = resource.find_subresource(rest[2])
        if subresource is None:
            raise no_such_resource()
    return Target(resource, namespace, name, subresource, is_watch_path)
