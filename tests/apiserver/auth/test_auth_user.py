"""Users: groups that follow from how somebody proved who they are."""

from __future__ import annotations

import pytest

from apiserver.auth import ANONYMOUS_USER, User, find_service_account, service_account_user, with_authenticated


def test_whoever_is_known_is_in_the_group_of_all_authenticated():
    assert with_authenticated(User("ada", groups=("dev",))).groups == ("dev", "system:authenticated")
    assert with_authenticated(ANONYMOUS_USER) is ANONYMOUS_USER


def test_a_service_account_is_in_the_groups_of_all_and_of_its_namespace():
    user = service_account_user("shop", "builder", "u-1")
    assert user.name == "system:serviceaccount:shop:builder"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("system:serviceaccount:shop:builder", ("shop", "builder")),
        ("system:serviceaccount:shop:", None),
        ("system:serviceaccount:shop", None),
        ("system:serviceaccount:a:b:c", None),
        ("ada", None),
    ],
)
def test_a_service_account_is_known_by_its_user_name(name, found):
    assert find_service_account(name) == found
