"""A catalog: the resources that a server serves, found by name.

The built-in ones are `builtin.catalog`; a server with custom resources makes a new Catalog of both. A catalog does not
change, so that discovery and OpenAPI documents can be cached with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apiserver.kinds.resource import Resource
from apiserver.kinds.versions import version_order

# The order in which kube-apiserver lists its groups: kubectl takes the first one that knows a short name.
GROUP_ORDER = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "storagemigration.k8s.io",
)


class Catalog:
    """Raises ValueError for two resources of one name."""

    __slots__ = ("_by_kind", "_by_plural", "_group_versions", "_groups", "_resources", "documents")

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)
        self._by_plural = {(r.group, r.version, r.plural): r for r in self._resources}
        self._by_kind = {(r.group, r.version, r.kind): r for r in self._resources}
        if len(self._by_plural) != len(self._resources) or len(self._by_kind) != len(self._resources):
            raise ValueError("a catalog has two resources of the same name")
        self._groups = _order_groups(self._resources)
        self._group_versions = frozenset((r.group, r.version) for r in self._resources)
        self.documents: dict[str, object] = {}  # made by discovery and openapi, once each

    def joined_by(self, others: Iterable[Resource], previous: Catalog) -> Catalog:
        """This catalog and more: custom resources. What stands in a group version of this one is left out.

        previous: documents of group versions that are the same there need not be made again.
        """
        taken = {(resource.group, resource.version) for resource in self._resources}
        more = [resource for resource in others if (resource.group, resource.version) not in taken]
        more.sort(key=lambda resource: (resource.group, version_order(resource.version), resource.plural))
        made = Catalog((*self._resources, *more))
        made.documents.update(previous._documents_shared_with(made))
        return made

    def _documents_shared_with(self, other: Catalog) -> dict[str, object]:
        """Documents are named "<what>/<group>/<version>" where they are about a group version alone."""
        same = {
            f"/{group}/{version}"
            for group, versions in self._groups
            for version in versions
            if self.resources(group, version) == other.resources(group, version)
        }
        return {
            key: document
            for key, document in self.documents.items()
            if key.count("/") == 2 and key[key.index("/") :] in same
        }

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_plural.get((group, version, plural))

    def find_kind(self, group: str, version: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, version, kind))

    def serves(self, group: str, version: str) -> bool:
        """Whether a group version has any resource. Asked for every request."""
        return (group, version) in self._group_versions

    def resources(self, group: str | None = None, version: str | None = None) -> Sequence[Resource]:
        """All resources, or those of a group (version), in the order of their names."""
        chosen = [
            resource
            for resource in self._resources
            if (group is None or resource.group == group) and (version is None or resource.version == version)
        ]
        return sorted(chosen, key=lambda r: (self._place(r.group), r.version, r.plural))

    def groups(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        """(group, versions), the core group "" first, then Kubernetes' order; the first version is preferred."""
        return self._groups

    def _place(self, group: str) -> int:
        return next(index for index, (name, _) in enumerate(self._groups) if name == group)


def _order_groups(resources: Sequence[Resource]) -> list[tuple[str, tuple[str, ...]]]:
    versions: dict[str, dict[str, None]] = {}
    for resource in resources:
        versions.setdefault(resource.group, {})[resource.version] = None
    known = [group for group in GROUP_ORDER if group in versions]
    others = sorted(group for group in versions if group not in GROUP_ORDER)
    return [(group, tuple(versions[group])) for group in (*known, *others)]
