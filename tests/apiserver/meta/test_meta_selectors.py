"""Label and field selectors: what they match, and what they say when they cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.meta import (
    EVERYTHING,
    NOTHING,
    label_selector_of,
    parse_field_selector,
    parse_label_selector,
)


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("", {}, None),
        ("a=b", {"a": "b"}, {"a": "c"}),
        ("a==b", {"a": "b"}, {}),
        ("a!=b", {}, {"a": "b"}),
        ("a=", {"a": ""}, {}),
        ("a in (b, c)", {"a": "c"}, {}),
        ("a in (b,)", {"a": ""}, {"a": "c"}),
        ("a notin (b,c)", {}, {"a": "c"}),
        ("a", {"a": ""}, {}),
        ("!a", {}, {"a": ""}),
        (" a , ! b ", {"a": "1"}, {"a": "1", "b": "2"}),
        ("n>3", {"n": "4"}, {"n": "3"}),
        ("n<3", {"n": "-1"}, {"n": "x"}),
        ("x.io/a=b,in=in", {"x.io/a": "b", "in": "in"}, {"x.io/a": "b"}),
    ],
)
def test_label_selector_texts(text: str, matching: dict[str, str], other: dict[str, str] | None):
    selector = parse_label_selector(text)
    assert selector.matches(matching)
    assert other is None or not selector.matches(other)
    assert parse_label_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a==b==c", "found '==', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
    ],
)
def test_unreadable_label_selectors_say_where(text: str, message: str):
    with pytest.raises(StatusError) as refusal:
        parse_label_selector(text)
    assert (refusal.value.code, refusal.value.message) == (400, message)


def test_bad_keys_and_values_are_refused():
    for text in ("a b=c", "-a=b", "a=-b", "a in (b c)", "n>x"):
        with pytest.raises(StatusError):
            parse_label_selector(text)


@given(st.text(alphabet="ab=!,()<> in\\x", max_size=20))
def test_no_text_breaks_the_parsers(text: str):
    for parse in (parse_label_selector, parse_field_selector):
        try:
            parse(text)
        except StatusError as refusal:
            assert refusal.code == 400


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["x", "y", ""])
EXPRESSIONS = st.one_of(
    st.fixed_dictionaries(
        {"key": KEYS, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(VALUES, min_size=1)}
    ),
    st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)


def _twin(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in selector["matchLabels"].items():
        if labels.get(key) != value:
            return False
    for expression in selector["matchExpressions"]:
        present, value = expression["key"] in labels, labels.get(expression["key"])
        holds = {
            "In": present and value in expression.get("values", []),
            "NotIn": not present or value not in expression.get("values", []),
            "Exists": present,
            "DoesNotExist": not present,
        }[expression["operator"]]
        if not holds:
            return False
    return True


@given(
    st.fixed_dictionaries(
        {"matchLabels": st.dictionaries(KEYS, VALUES), "matchExpressions": st.lists(EXPRESSIONS, max_size=4)}
    ),
    st.dictionaries(KEYS, VALUES),
)
def test_object_form_against_a_slow_twin(selector: dict[str, Any], labels: dict[str, str]):
    parsed = label_selector_of(selector)
    assert parsed.matches(labels) == _twin(selector, labels)
    assert parse_label_selector(str(parsed)).matches(labels) == parsed.matches(labels)


def test_no_selector_selects_nothing_and_an_empty_one_everything():
    assert label_selector_of(None) == NOTHING
    assert not NOTHING.matches({})
    assert label_selector_of({}) == EVERYTHING
    assert EVERYTHING.matches({"a": "b"})


def test_object_form_refuses_what_makes_no_sense():
    for expression in ({"key": "a", "operator": "Is"}, {"key": "a", "operator": "In"},
                       {"key": "a", "operator": "Exists", "values": ["x"]}):  # fmt: skip
        with pytest.raises(StatusError):
            label_selector_of({"matchExpressions": [expression]})


def test_selectors_group_watchers():
    """Equal selectors are one key, whatever the order in which they were written."""
    assert len({parse_label_selector("a=b,c"), parse_label_selector("c,a=b"), parse_label_selector("a==b,c")}) == 1


def test_field_selectors():
    selector = parse_field_selector(r"spec.nodeName=n1,status.phase!=Failed,a=x\,y\=z")
    assert selector.matches({"spec.nodeName": "n1", "status.phase": "Running", "a": "x,y=z"})
    assert not selector.matches({"spec.nodeName": "n1", "status.phase": "Failed", "a": "x,y=z"})
    assert selector.find_exact("spec.nodeName") == "n1"
    assert selector.find_exact("status.phase") is None
    assert parse_field_selector(str(selector)) == selector
    assert parse_field_selector("").is_everything


@pytest.mark.parametrize("text", ["foo", "a=b=c", r"a=\x", "a=b,c"])
def test_unreadable_field_selectors(text: str):
    with pytest.raises(StatusError):
        parse_field_selector(text)


def test_fields_that_a_kind_does_not_have():
    selector = parse_field_selector("spec.foo=x")
    with pytest.raises(StatusError, match="field label not supported: spec.foo"):
        selector.bind({"metadata.name": lambda obj: obj["metadata"]["name"]})
