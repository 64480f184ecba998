"""rbac.authorization.k8s.io/v1: roles, and who has them. Their names may hold colons: "system:node"."""

from __future__ import annotations

from apiserver.kinds.declaring import declare
from apiserver.kinds.metadata import check_path_segment, validator

_GROUP = "rbac.authorization.k8s.io/v1"

_validate_namespaced = validator(check_name=check_path_segment)
_validate_global = validator(check_name=check_path_segment, namespaced=False)

CLUSTER_ROLE_BINDINGS = declare(f"{_GROUP} clusterrolebindings", create_on_update=True, validate=_validate_global)

CLUSTER_ROLES = declare(f"{_GROUP} clusterroles", create_on_update=True, validate=_validate_global)

ROLE_BINDINGS = declare(f"{_GROUP} rolebindings", create_on_update=True, validate=_validate_namespaced)

ROLES = declare(f"{_GROUP} roles", create_on_update=True, validate=_validate_namespaced)

RESOURCES = (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES)
