"""Group, version, kind: the three names of a type, and how `apiVersion` writes the first two.

The core group is the empty group: its apiVersion is "v1", every other one's is "group/version".
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.errors import bad_request


class GroupVersionKind(NamedTuple):
    """A type. group "" is the core group."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return join_api_version(self.group, self.version)


class GroupVersionResource(NamedTuple):
    """A collection that is served: `resource` is the plural, lower case name."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        return join_api_version(self.group, self.version)


def split_api_version(api_version: str) -> tuple[str, str]:
    """("apps", "v1") of "apps/v1", ("", "v1") of "v1". Raises BadRequest for more than one slash."""
    group, slash, version = api_version.partition("/")
    if not slash:
        return "", group
    if "/" in version:
        raise bad_request(f"unexpected GroupVersion string: {api_version}")
    return group, version


def join_api_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def gvk_of(obj: dict[str, object]) -> GroupVersionKind:
    """The type that an object says it has; missing names are empty."""
    group, version = split_api_version(str(obj.get("apiVersion") or ""))
    return GroupVersionKind(group, version, str(obj.get("kind") or ""))
