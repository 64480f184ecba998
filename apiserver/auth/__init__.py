"""Who are you, and may you: authenticators, tokens, roles. Knows no HTTP and no store."""

from __future__ import annotations

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
    "ANONYMOUS",
    "ANONYMOUS_USER",
    "LOOPBACK_USER",
    "MASTERS",
    "SERVICE_ACCOUNT_GROUP_PREFIX",
    "SERVICE_ACCOUNT_PREFIX",
    "User",
    "find_service_account",
    "service_account_user",
    "with_authenticated",
]
