"""Who asks: the one value that every later step of a request knows of the client.

A user is made by an authenticator (or by impersonation) and never changed. Credentials are not part of it, so that it may be
logged and shown. `groups` decide nearly everything; `extra` carries what an authenticator wants to pass on, such as the pod that
a service-account token is bound to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ANONYMOUS = "system:anonymous"
ADMIN = "system:admin"
APISERVER = "system:apiserver"
ALL_AUTHENTICATED = "system:authenticated"
ALL_UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"

SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
ALL_SERVICE_ACCOUNTS = "system:serviceaccounts"
SERVICE_ACCOUNT_GROUP_PREFIX = "system:serviceaccounts:"

NO_EXTRA: Mapping[str, tuple[str, ...]] = {}


class User(NamedTuple):
    """extra: every key with its values, in the order they came."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = NO_EXTRA


ANONYMOUS_USER = User(ANONYMOUS, groups=(ALL_UNAUTHENTICATED,))
ADMIN_USER = User(ADMIN, groups=(MASTERS, ALL_AUTHENTICATED))
"""The user of our own kubeconfig: may do everything."""
LOOPBACK_USER = User(APISERVER, groups=(MASTERS, ALL_AUTHENTICATED))
"""The API server itself, and clients in its process."""


def with_authenticated(user: User) -> User:
    """The user in the group of all who have proven who they are; anonymous stays outside."""
    if user.name == ANONYMOUS or ALL_AUTHENTICATED in user.groups or ALL_UNAUTHENTICATED in user.groups:
        return user
    return user._replace(groups=(*user.groups, ALL_AUTHENTICATED))


def service_account_user(
    namespace: str, name: str, uid: str = "", extra: Mapping[str, tuple[str, ...]] = NO_EXTRA
) -> User:
    groups = (ALL_SERVICE_ACCOUNTS, SERVICE_ACCOUNT_GROUP_PREFIX + namespace, ALL_AUTHENTICATED)
    return User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}", uid, groups, extra)


def find_service_account(user_name: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None for any other user."""
    if not user_name.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, colon, name = user_name[len(SERVICE_ACCOUNT_PREFIX) :].partition(":")
    return (namespace, name) if colon and namespace and name and ":" not in name else None
