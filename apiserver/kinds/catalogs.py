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

    __slots__ = ("_by_group_version", "_by_kind", "_by_plural", "_groups", "_resources", "documents")

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)
        self._by_plural = {(r.group, r.version, r.plural): r for r in self._resources}
        self._by_kind = {(r.group, r.version, r.kind): r for r in self._resources}
        if len(self._by_plural) != len(self._resources) or len(self._by_kind) != len(self._resources):
            raise ValueError("a catalog has two resources of the same name")
        self._groups = _order_groups(self._resources)
        self._by_group_version: dict[tuple[str, str], list[Resource]] = {}
        for resource in sorted(self._resources, key=lambda r: r.plural):
            self._by_group_version.setdefault((resource.group, resource.version), []).append(resource)
        self.documents: dict[str, object] = {}  # made by discovery and openapi, once each

    def joined_by(self, others: Iterable[Resource]) -> Catalog:
        """This catalog and more: custom resources. What stands in a group version of this one is left out.

        Of two of one name the first is taken: two servers may each have accepted one at the same moment.
        """
        more: dict[tuple[str, str, str], Resource] = {}
        for resource in others:
            if not self.serves(resource.group, resource.version):
                more.setdefault((resource.group, resource.version, resource.kind), resource)
        found = {(each.group, each.version, each.plural): each for each in reversed(more.values())}
        custom = sorted(found.values(), key=lambda each: (each.group, version_order(each.version), each.plural))
        return Catalog((*self._resources, *custom))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_plural.get((group, version, plural))

    def find_kind(self, group: str, version: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, version, kind))

    def serves(self, group: str, version: str) -> bool:
        """Whether a group version has any resource. Asked for every request."""
        return (group, version) in self._by_group_version

    def resources(self, group: str | None = None, version: str | None = None) -> Sequence[Resource]:
        """All resources, or those of a group (version), in the order of their names."""
        if group is not None and version is not None:
            return tuple(self._by_group_version.get((group, version), ()))
        return [
            resource
            for name, versions in self._groups
            if group is None or name == group
            for each in sorted(versions)
            if version is None or each == version
            for resource in self._by_group_version[name, each]
        ]

    def groups(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        """(group, versions), the core group "" first, then Kubernetes' order; the first version is preferred."""
        return self._groups


def _order_groups(resources: Sequence[Resource]) -> list[tuple[str, tuple[str, ...]]]:
    versions: dict[str, dict[str, None]] = {}
    for resource in resources:
        versions.setdefault(resource.group, {})[resource.version] = None
    known = [group for group in GROUP_ORDER if group in versions]
    others = sorted(group for group in versions if group not in GROUP_ORDER)
    return [(group, tuple(versions[group])) for group in (*known, *others)]
