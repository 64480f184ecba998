"""What a server serves, asked of the server: the legacy discovery documents, which every API server has.

Group order and each group's preferred version are the server's. Subresources are left out; a group whose document
cannot be read is left out too and named in `failed`, since one broken extension must not hide all the others.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.client.client import Client, Object
from apiserver.client.resources import ResourceName
from apiserver.client.transport import ServerUnreachableError
from apiserver.errors import StatusError


class ServedResource(NamedTuple):
    """A resource in its group's preferred version (or the first version that has it)."""

    name: ResourceName
    kind: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        return f"{self.name.group}/{self.name.version}" if self.name.group else self.name.version


class Discovery(NamedTuple):
    """resources: in the server's order. failed: "group/version: why" for each document that could not be read."""

    resources: list[ServedResource]
    failed: list[str]

    def find_kind(self, group: str, kind: str) -> ServedResource | None:
        """The resource that serves a kind, whatever the version."""
        for resource in self.resources:
            if resource.name.group == group and resource.kind == kind:
                return resource
        return None


async def discover(client: Client) -> Discovery:
    """Asks for everything. Raises StatusError or ServerUnreachableError only where the root documents cannot be read."""
    found: dict[tuple[str, str], ServedResource] = {}
    failed: list[str] = []
    wanted = [("", "v1")]
    for group in (await client.raw("/apis")).get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("version", "")
        versions = [version["version"] for version in group.get("versions") or ()]
        versions.sort(key=lambda version: version != preferred)  # stable: the preferred first, the others as they come
        wanted += [(group["name"], version) for version in versions]
    for group_name, version in wanted:
        path = f"/apis/{group_name}/{version}" if group_name else f"/api/{version}"
        try:
            document = await client.raw(path)
        except (StatusError, ServerUnreachableError) as error:
            failed.append(f"{group_name}/{version}: {error}" if group_name else f"{version}: {error}")
            continue
        for served in _resources(group_name, version, document):
            found.setdefault((group_name, served.name.plural), served)
    return Discovery(list(found.values()), failed)


def _resources(group: str, version: str, document: Object) -> list[ServedResource]:
    return [
        ServedResource(
            ResourceName(group, version, entry["name"]),
            entry["kind"],
            bool(entry.get("namespaced")),
            frozenset(entry.get("verbs") or ()),
        )
        for entry in document.get("resources") or ()
        if "/" not in entry["name"]
    ]
