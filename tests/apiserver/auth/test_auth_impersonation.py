"""Acting as somebody else: who may, and who one is then."""

from __future__ import annotations

import pytest

from apiserver.auth import Decision, User, impersonate
from apiserver.errors import StatusError

ADMIN = User("admin", groups=("system:masters",))


def yes(access):
    return Decision(True)


def test_without_headers_nobody_else():
    assert impersonate(ADMIN, {"accept": "*/*"}, yes) is ADMIN


@pytest.mark.parametrize(
    ("headers", "groups"),
    [
        ({}, ("system:authenticated",)),
        ({"impersonate-group": "dev\nops"}, ("dev", "ops", "system:authenticated")),
        ({"impersonate-group": "system:unauthenticated"}, ("system:unauthenticated",)),
    ],
)
def test_a_user_is_in_the_groups_asked_for_and_known(headers, groups):
    assert impersonate(ADMIN, {"impersonate-user": "ada", **headers}, yes).groups == groups


def test_a_service_account_is_in_its_own_groups():
    user = impersonate(ADMIN, {"impersonate-user": "system:serviceaccount:shop:bot"}, yes)
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")


def test_anonymous_stays_unknown():
    assert impersonate(ADMIN, {"impersonate-user": "system:anonymous"}, yes).groups == ("system:unauthenticated",)


def test_every_header_is_asked_of_the_authorizer():
    asked = []

    def decide(access):
        asked.append((access.verb, access.group, access.resource, access.subresource, access.namespace, access.name))
        return Decision(True)

    headers = {
        "impersonate-user": "system:serviceaccount:shop:bot",
        "impersonate-group": "dev",
        "impersonate-uid": "u-1",
        "impersonate-extra-acme.com%2fproject": "a\nb",
    }
    user = impersonate(ADMIN, headers, decide)
    assert user.uid == "u-1"
    assert user.extra == {"acme.com/project": ("a", "b")}
    authentication = "authentication.k8s.io"
    assert asked == [
        ("impersonate", "", "serviceaccounts", "", "shop", "bot"),
        ("impersonate", "", "groups", "", "", "dev"),
        ("impersonate", authentication, "userextras", "acme.com/project", "", "a"),
        ("impersonate", authentication, "userextras", "acme.com/project", "", "b"),
        ("impersonate", authentication, "uids", "", "", "u-1"),
    ]


def test_who_may_not_is_told_so():
    with pytest.raises(StatusError) as caught:
        impersonate(User("eve"), {"impersonate-user": "ada"}, lambda access: Decision(False))
    assert caught.value.code == 403
    assert caught.value.message == (
        'users "ada" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope'
    )


def test_groups_without_a_user_are_refused():
    with pytest.raises(StatusError) as caught:
        impersonate(ADMIN, {"impersonate-group": "dev"}, yes)
    assert caught.value.code == 400
