"""Who are you, and may you: authenticators, tokens, roles. Knows no HTTP and no store."""

from __future__ import annotations

from apiserver.auth.access import (
    ALWAYS_ALLOW,
    Access,
    Authorizer,
    Decision,
    Rules,
    is_superuser,
    refusal,
)
from apiserver.auth.bootstrap_policy import Bootstrap, build_bootstrap_policy, reconcile
from apiserver.auth.escalation import FULL_AUTHORITY, escalation_text
from apiserver.auth.rbac import RoleIndex
from apiserver.auth.user import (
    ADMIN_USER,
    ALL_AUTHENTICATED,
    ALL_SERVICE_ACCOUNTS,
    ALL_UNAUTHENTICATED,
    ANONYMOUS,
    ANONYMOUS_USER,
    LOOPBACK_USER,
    MASTERS,
    SERVICE_ACCOUNT_GROUP_PREFIX,
    SERVICE_ACCOUNT_PREFIX,
    User,
    find_service_account,
    service_account_user,
    with_authenticated,
)

__all__ = [
    "ADMIN_USER",
    "ALL_AUTHENTICATED",
    "ALL_SERVICE_ACCOUNTS",
    "ALL_UNAUTHENTICATED",
    "ALWAYS_ALLOW",
    "ANONYMOUS",
    "ANONYMOUS_USER",
    "FULL_AUTHORITY",
    "LOOPBACK_USER",
    "MASTERS",
    "SERVICE_ACCOUNT_GROUP_PREFIX",
    "SERVICE_ACCOUNT_PREFIX",
    "Access",
    "Authorizer",
    "Bootstrap",
    "Decision",
    "RoleIndex",
    "Rules",
    "User",
    "build_bootstrap_policy",
    "escalation_text",
    "find_service_account",
    "is_superuser",
    "reconcile",
    "refusal",
    "service_account_user",
    "with_authenticated",
]
