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
from apiserver.auth.authentication import UNSECURED_USER, Authenticator, TokenResult, find_bearer
from apiserver.auth.bootstrap_policy import Bootstrap, build_bootstrap_policy, reconcile
from apiserver.auth.certificates import find_certificate_user
from apiserver.auth.escalation import FULL_AUTHORITY, escalation_text
from apiserver.auth.front_proxy import FrontProxies, ProxyHeaders
from apiserver.auth.gate import Gate, open_gate
from apiserver.auth.impersonation import impersonate
from apiserver.auth.rbac import RoleIndex
from apiserver.auth.service_account_tokens import (
    DEFAULT_SECONDS,
    MAX_SECONDS,
    MIN_SECONDS,
    InvalidTokenError,
    Lookup,
    ServiceAccountTokens,
)
from apiserver.auth.signing_keys import KeyFileError, SigningKeys, make_key_file
from apiserver.auth.token_file import TokenFileError, load_token_file, parse_tokens
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
    "DEFAULT_SECONDS",
    "FULL_AUTHORITY",
    "LOOPBACK_USER",
    "MASTERS",
    "MAX_SECONDS",
    "MIN_SECONDS",
    "SERVICE_ACCOUNT_GROUP_PREFIX",
    "SERVICE_ACCOUNT_PREFIX",
    "UNSECURED_USER",
    "Access",
    "Authenticator",
    "Authorizer",
    "Bootstrap",
    "Decision",
    "FrontProxies",
    "Gate",
    "InvalidTokenError",
    "KeyFileError",
    "Lookup",
    "ProxyHeaders",
    "RoleIndex",
    "Rules",
    "ServiceAccountTokens",
    "SigningKeys",
    "TokenFileError",
    "TokenResult",
    "User",
    "build_bootstrap_policy",
    "escalation_text",
    "find_bearer",
    "find_certificate_user",
    "find_service_account",
    "impersonate",
    "is_superuser",
    "load_token_file",
    "make_key_file",
    "open_gate",
    "parse_tokens",
    "reconcile",
    "refusal",
    "service_account_user",
    "with_authenticated",
]
