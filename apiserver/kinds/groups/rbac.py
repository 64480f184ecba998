"""rbac.authorization.k8s.io/v1: roles, and who has them. Their names may hold colons: "system:node"."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.rows import administration as rows
from apiserver.kinds.strategy import set_missing

Object = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"
_GROUP = f"{RBAC}/v1"


def default_role(role: Object) -> None:
    """A role without rules says so."""
    role.setdefault("rules", None)


def default_binding(binding: Object) -> None:
    set_missing(binding.setdefault("roleRef", {}), "apiGroup", RBAC)
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            set_missing(subject, "apiGroup", RBAC)


CLUSTER_ROLE_BINDINGS = declare(
    f"{_GROUP} clusterrolebindings", table=rows.ROLE_BINDING, create_on_update=True, defaults=default_binding
)

CLUSTER_ROLES = declare(f"{_GROUP} clusterroles", create_on_update=True, defaults=default_role)

ROLE_BINDINGS = declare(
    f"{_GROUP} rolebindings", table=rows.ROLE_BINDING, create_on_update=True, defaults=default_binding
)

ROLES = declare(f"{_GROUP} roles", create_on_update=True, defaults=default_role)

RESOURCES = (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES)
