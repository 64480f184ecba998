"""Resources that are questions, not things: reviews of tokens and of access, and the statuses of components.

Nothing of them is stored: http/virtual.py answers. They are declared so that discovery, OpenAPI and the decoder know them.
"""

from __future__ import annotations

from apiserver.kinds.resource import Resource

_CREATE = ("create",)


def _review(group: str, kind: str, *, namespaced: bool = False) -> Resource:
    singular = kind.lower()
    short = group.partition(".")[0]
    return Resource(
        group=group,
        version="v1",
        plural=f"{singular}s",
        singular=singular,
        kind=kind,
        namespaced=namespaced,
        schema_name=f"{short}.v1.{kind}",
        storage_prefix="",
        verbs=_CREATE,
        is_virtual=True,
    )


COMPONENT_STATUSES = Resource(
    group="",
    version="v1",
    plural="componentstatuses",
    singular="componentstatus",
    kind="ComponentStatus",
    namespaced=False,
    schema_name="core.v1.ComponentStatus",
    storage_prefix="",
    verbs=("get", "list"),
    short_names=("cs",),
    deprecation="v1 ComponentStatus is deprecated in v1.19+",
    is_virtual=True,
)

VIRTUAL: tuple[Resource, ...] = (
    COMPONENT_STATUSES,
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authentication.k8s.io", "TokenReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
)
