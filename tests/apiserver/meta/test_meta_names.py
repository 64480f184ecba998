"""Names, labels, keys: the words of Kubernetes."""

from __future__ import annotations

import random

import pytest

from apiserver.meta import (
    NAME_ALPHABET,
    check_config_key,
    check_dns1035_label,
    check_dns1123_label,
    check_dns1123_subdomain,
    check_env_name,
    check_label_value,
    check_port_name,
    check_qualified_name,
    generate_name,
)


def test_generated_names_are_cut_and_random():
    name = generate_name("a" * 80, random.Random(7).choice)
    assert len(name) == 63
    assert name[:58] == "a" * 58
    assert all(char in NAME_ALPHABET for char in name[58:])
    assert generate_name("web-", random.Random(7).choice) == generate_name("web-", random.Random(7).choice)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_dns1123_label, ["a", "a-b", "1x", "x" * 63], ["", "A", "-a", "a-", "a.b", "x" * 64, "a\n"]),
        (check_dns1123_subdomain, ["a.b", "a", "1.2", "x" * 253], ["", "a..b", ".a", "a_b", "x" * 254]),
        (check_dns1035_label, ["a1"], ["1a", "", "A"]),
        (check_qualified_name, ["a", "A_b.c", "x.io/A"], ["", "a b", "/a", "a/", "a/b/c", "X.io/a", "x" * 64]),
        (check_label_value, ["", "A", "a.b_c-d"], ["-a", "a b", "x" * 64, "a\n"]),
        (check_config_key, ["a", ".a", "A_b-c.d"], ["", ".", "..", "..a", "a/b", "x" * 254]),
        (check_env_name, ["A", "a.b-c", "1"], ["", "A=B", "A\n"]),
        (check_port_name, ["http", "a1"], ["", "1", "-a", "a--b", "A", "x" * 16]),
    ],
)
def test_what_may_be_what(check, good: list[str], bad: list[str]):
    assert [value for value in good if check(value)] == []
    assert [value for value in bad if not check(value)] == []


def test_words():
    assert check_qualified_name("/a")[0] == "prefix part must be non-empty"
    assert check_dns1035_label("1") == [
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    ]
