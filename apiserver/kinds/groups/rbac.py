"""rbac.authorization.k8s.io/v1: roles, and who has them. Their names may hold colons: "system:node"."""

from __future__ import annotations

from functools import partial
from typing import Any

from apiserver.kinds.declaring import declare
from apiserver.kinds.metadata import check_path_segment, validator
from apiserver.kinds.volume_defaults import set_missing

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


_in_namespace = partial(declare, create_on_update=True, validate=validator(check_name=check_path_segment))
_in_cluster = partial(
    declare, create_on_update=True, validate=validator(check_name=check_path_segment, namespaced=False)
)

CLUSTER_ROLE_BINDINGS = _in_cluster(f"{_GROUP} clusterrolebindings", defaults=default_binding)

CLUSTER_ROLES = _in_cluster(f"{_GROUP} clusterroles", defaults=default_role)

ROLE_BINDINGS = _in_namespace(f"{_GROUP} rolebindings", defaults=default_binding)

ROLES = _in_namespace(f"{_GROUP} roles", defaults=default_role)

RESOURCES = (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES)
