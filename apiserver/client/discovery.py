"""What a server serves, asked of the server: two aggregated documents where it has them, else one for each group version.

Group order and each group's preferred version are the server's. Subresources are left out; a group version that cannot
be read (or is stale) is named in `failed`, since one broken extension must not hide all the others.
Source of the rule that both documents must be aggregated: client-go discovery_client.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from apiserver.client.client import Client, Object
from apiserver.client.resources import ResourceName
from apiserver.client.transport import ServerUnreachableError
from apiserver.errors import StatusError

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


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
    apis = await client.raw("/apis", accept=_AGGREGATED)
    if apis.get("kind") == "APIGroupDiscoveryList":
        core = await client.raw("/api", accept=_AGGREGATED)
        if core.get("kind") == "APIGroupDiscoveryList":
            return _read_aggregated([*core["items"], *apis["items"]])
        apis = await client.raw("/apis")
    return await _read_each(client, apis)


def _read_aggregated(groups: Iterable[Object]) -> Discovery:
    found: dict[tuple[str, str], ServedResource] = {}
    failed: list[str] = []
    for group in groups:
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            text = version["version"]
            if version.get("freshness") == "Stale":
                failed.append(f"{name}/{text}: stale GroupVersion discovery: {name}/{text}")
            for entry in version.get("resources") or ():
                served = ServedResource(
                    ResourceName(name, text, entry["resource"]),
                    (entry.get("responseKind") or {}).get("kind") or "",
                    entry.get("scope") == "Namespaced",
                    frozenset(entry.get("verbs") or ()),
                )
                found.setdefault((name, served.name.plural), served)
    return Discovery(list(found.values()), failed)


async def _read_each(client: Client, apis: Object) -> Discovery:
    found: dict[tuple[str, str], ServedResource] = {}
    failed: list[str] = []
    wanted = [("", "v1")]
    for group in apis.get("groups") or ():
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


def _resources(group: str, version: str, document: dict[str, Any]) -> list[ServedResource]:
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
