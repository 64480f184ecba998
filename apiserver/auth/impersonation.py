"""Acting as somebody else: the Impersonate-* headers, and what it takes to be allowed.

    Impersonate-User    one                    impersonate users NAME, or serviceaccounts NAME in its namespace
    Impersonate-Group   any number             impersonate groups NAME
    Impersonate-Uid     one                    impersonate uids VALUE            (authentication.k8s.io)
    Impersonate-Extra-K any number             impersonate userextras/K VALUE    (authentication.k8s.io)

Each is asked of the authorizer for the one who really asks. Several headers of a name come as one value, with newlines.
Source: Kubernetes' documentation of user impersonation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

from apiserver.auth.access import Access, Decision, refusal
from apiserver.auth.user import (
    ALL_AUTHENTICATED,
    ALL_SERVICE_ACCOUNTS,
    ALL_UNAUTHENTICATED,
    ANONYMOUS,
    SERVICE_ACCOUNT_GROUP_PREFIX,
    User,
    find_service_account,
)
from apiserver.errors import bad_request

PREFIX = "impersonate-"
USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
_GROUP = "authentication.k8s.io"

MAX_CHECKS = 256
"""Headers that one request may have checked."""


def impersonate(user: User, headers: Mapping[str, str], decide: Callable[[Access], Decision]) -> User:
    """The user to act as; the one who asks where no header says otherwise. Raises Forbidden, BadRequest."""
    if USER not in headers and GROUP not in headers and UID not in headers:
        return user  # nearly every request
    said = {name: value for name, value in headers.items() if name.startswith(PREFIX)}
    name = said.get(USER, "")
    groups = [group for group in said.get(GROUP, "").split("\n") if group]
    uid = said.get(UID, "")
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in said.items():
        if header.startswith(EXTRA):
            extra[unquote(header[len(EXTRA) :]).lower()] = tuple(value.split("\n"))
    if not name:
        if groups or uid or extra:
            raise bad_request("requested impersonation of groups, uid or extra without impersonating a user")
        return user
    checks = list(_checks(user, name, groups, uid, extra))
    if len(checks) > MAX_CHECKS:
        raise bad_request(f"too many impersonation headers: at most {MAX_CHECKS} are understood")
    for access in checks:
        decision = decide(access)
        if not decision.allowed:
            raise refusal(access, decision.reason)
    return User(name, uid, tuple(_all_groups(name, groups)), extra)


def _checks(user: User, name: str, groups: list[str], uid: str, extra: Mapping[str, tuple[str, ...]]) -> list[Access]:
    account = find_service_account(name)
    if account is not None:
        first = Access(user, "impersonate", "", "serviceaccounts", account[0], account[1], version="v1")
    else:
        first = Access(user, "impersonate", "", "users", name=name, version="v1")
    found = [first]
    found += [Access(user, "impersonate", "", "groups", name=group, version="v1") for group in groups]
    for key, values in extra.items():
        found += [
            Access(user, "impersonate", _GROUP, "userextras", name=value, subresource=key, version="v1")
            for value in values
        ]
    if uid:
        found.append(Access(user, "impersonate", _GROUP, "uids", name=uid, version="v1"))
    return found


def _all_groups(name: str, groups: list[str]) -> list[str]:
    """The groups that follow from who it is: every account has its own, and everybody is known or unknown."""
    account = find_service_account(name)
    found = list(groups)
    if account is not None and not found:
        found = [ALL_SERVICE_ACCOUNTS, SERVICE_ACCOUNT_GROUP_PREFIX + account[0]]
    if ALL_AUTHENTICATED not in found and ALL_UNAUTHENTICATED not in found:
        found.append(ALL_UNAUTHENTICATED if name == ANONYMOUS else ALL_AUTHENTICATED)
    return found
