"""Rules in CEL: what they see, when they are asked, what they say."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.kinds.custom import expressions
from apiserver.kinds.custom.expressions import MISSING_EXTRA, check_expressions, compile_rules
from apiserver.meta.structural import parse_schema

pytest.importorskip("cel_expr_python")

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
TIME, TEXTS = {"type": "string", "format": "date-time"}, {"type": "array", "items": STRING}


def _field(schema: Any, *rules: Any) -> Any:
    listed = [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
    return {"type": "object", "properties": {"x": {**schema, "x-kubernetes-validations": listed}}}


def _ask(schema: Any, value: Any, old: Any = None) -> list[str]:
    parsed = parse_schema(schema)
    assert check_expressions(parsed, "s") == []
    return [f"{cause.field}: {cause.message}" for cause in compile_rules(parsed).validate(value, old)]


def _problems(schema: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in check_expressions(parse_schema(schema), "s")]


PAIR = {"type": "object", "properties": {"low": INTEGER, "high": INTEGER, "a-b": INTEGER, "namespace": STRING}}


@pytest.mark.parametrize(
    ("schema", "rule", "good", "bad"),
    [
        (PAIR, "self.low <= self.high", {"low": 1, "high": 2}, {"low": 3, "high": 2}),
        (PAIR, "!has(self.low) || self.low > 0", {}, {"low": 0}),
        (PAIR, "self.a__dash__b == 1 && self.__namespace__ == 'n'", {"a-b": 1, "namespace": "n"}, {"a-b": 2, "namespace": "n"}),
        (PAIR, "self.?low.orValue(5) == 5", {}, {"low": 1}),
        (INTEGER, "self % 2 == 0", 4, 3),
        ({"type": "number"}, "self > 0.5", 1, 0),
        ({"type": "number"}, "self > 1", 1.5, 1),
        (INTEGER, "self > 0.5", 1, 0),
        (STRING, "self.matches('^[a-z]+$')", "abc", "a1"),
        (STRING, "self.find('[0-9]+') == '12'", "ab12", "ab3"),
        (STRING, "isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() == 'x.io'", "https://x.io/a", "http://x.io"),
        (STRING, "isIP(self) && cidr('10.0.0.0/8').containsIP(self)", "10.1.1.1", "11.1.1.1"),
        (STRING, "isQuantity(self) && quantity(self).isLessThan(quantity('2Gi'))", "1Gi", "3Gi"),
        (STRING, "isSemver(self) && semver(self).major() == 1", "1.2.3", "2.0.0"),
        (TIME, "self > timestamp('2024-01-01T00:00:00Z')", "2025-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ({"type": "string", "format": "duration"}, "self <= duration('1h')", "59m", "61m"),
        ({"type": "array", "items": INTEGER}, "self.isSorted() && self.sum() < 10 && self.max() == 3", [1, 2, 3], [3, 2]),
        (TEXTS, "self.all(x, x.size() > 1) && sets.contains(self, ['ab'])", ["ab", "cd"], ["ab", "c"]),
        ({"type": "object", "additionalProperties": INTEGER}, "self.all(k, self[k] > 0)", {"a": 1}, {"a": 0}),
        ({"x-kubernetes-int-or-string": True}, "type(self) == int ? self > 0 : self.endsWith('%')", "5%", 0),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_a_rule_can_say(schema, rule, good, bad):
    assert _ask(_field(schema, rule), {"x": good}) == []
    kind = schema.get("type", "")
    assert _ask(_field(schema, rule), {"x": bad}) == [f'x: Invalid value: "{kind}": failed rule: {rule}']


def test_messages_reasons_and_field_paths():
    rule: dict[str, Any] = {"rule": "self.low < 5", "message": "too high"}
    assert _ask(_field(PAIR, rule), {"x": {"low": 9}}) == ['x: Invalid value: "object": too high']
    rule |= {
        "messageExpression": "'%d is too high'.format([self.low])",
        "fieldPath": ".low",
        "reason": "FieldValueForbidden",
    }
    assert _ask(_field(PAIR, rule), {"x": {"low": 9}}) == ["x.low: Forbidden: 9 is too high"]


def test_a_field_that_is_not_there():
    said = _ask(_field(PAIR, "self.low < 5"), {"x": {}})
    assert said == ['x: Invalid value: "object": no such key: low evaluating rule: failed rule: self.low < 5']


def test_the_whole_object_shows_its_name_and_kind():
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name == 'a' && self.kind == 'W'"}]}
    assert _ask(schema, {"kind": "W", "metadata": {"name": "a", "labels": {}}}) == []
    assert _ask(schema, {"kind": "W", "metadata": {"name": "b"}})[0].startswith(
        '<nil>: Invalid value: "object": failed rule'
    )


def test_transition_rules_are_asked_on_updates_only():
    schema = _field(INTEGER, "self >= oldSelf")
    assert _ask(schema, {"x": 1}) == []
    assert _ask(schema, {"x": 2}, {"x": 1}) == []
    assert _ask(schema, {"x": 1}, {"x": 2}) == ['x: Invalid value: "integer": failed rule: self >= oldSelf']


def test_an_optional_old_self_is_asked_always():
    schema = _field(
        STRING, {"rule": "oldSelf.hasValue() ? self == oldSelf.value() : self == 'first'", "optionalOldSelf": True}
    )
    assert _ask(schema, {"x": "first"}) == []
    assert len(_ask(schema, {"x": "second"})) == 1
    assert _ask(schema, {"x": "second"}, {"x": "second"}) == []
    assert len(_ask(schema, {"x": "third"}, {"x": "second"})) == 1


def test_items_of_a_list_map_are_found_again():
    items = {
        "type": "object", "properties": {"k": STRING, "v": INTEGER},
        "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}],
    }  # fmt: skip
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": items}
    schema = {"type": "object", "properties": {"l": listed}}
    old = {"l": [{"k": "a", "v": 1}, {"k": "b", "v": 5}]}
    assert _ask(schema, {"l": [{"k": "b", "v": 5}, {"k": "c", "v": 0}]}, old) == []
    assert len(_ask(schema, {"l": [{"k": "b", "v": 4}]}, old)) == 1


def test_a_value_that_did_not_change_keeps_what_is_wrong_with_it():
    schema = _field(PAIR, "self.low < 5")
    schema["properties"]["y"] = INTEGER
    assert _ask(schema, {"x": {"low": 9}, "y": 2}, {"x": {"low": 9}, "y": 1}) == []
    assert len(_ask(schema, {"x": {"low": 8}}, {"x": {"low": 9}})) == 1


def test_a_rule_that_takes_too_long_is_ended():
    rule = "self.all(x, self.all(y, self.all(z, x + y + z >= 0)))"
    said = _ask(_field({"type": "array", "items": INTEGER}, rule), {"x": list(range(200))})
    assert "running out of cost budget" in said[0]


@pytest.mark.parametrize(
    ("schema", "rule", "value"),
    [
        (INTEGER, "self > 1", 1e300),
        ({"type": "string", "format": "duration"}, "self > duration('1s')", "9" * 30 + "h"),
        ({"type": "string", "format": "date-time"}, "self > timestamp('2024-01-01T00:00:00Z')", "0000-01-01T00:00:00Z"),
        (STRING, "quantity(self).sign() > 0", "no quantity"),
        (STRING, "self.find('(') == ''", "x"),
        ({"type": "array", "items": STRING}, "self.sum() == 1", ["a"]),
    ],
    ids=str,
)
def test_values_that_a_rule_cannot_take_are_refused(schema, rule, value):
    assert len(_ask(_field(schema, rule), {"x": value})) == 1


def test_what_cannot_be_compiled_is_refused():
    assert (
        "compilation failed: ERROR: <input>:1:6: found no matching overload"
        in _problems(_field(STRING, "self + 1 == 2"))[0]
    )
    assert _problems(_field(STRING, "self")) == [
        's.properties[x].x-kubernetes-validations[0].rule: Invalid value: "self": cel expression must evaluate to a bool'
    ]
    atomic = {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}
    assert "uncorrelatable portion" in _problems({"type": "object", "properties": {"l": atomic}})[0]
    optional = {"rule": "self == 'x'", "optionalOldSelf": True}
    assert "may not be set if oldSelf is not used" in _problems(_field(STRING, optional))[0]
    assert "fieldPath must be a valid path" in _problems(_field(PAIR, {"rule": "true", "fieldPath": ".nothing"}))[0]


def test_a_misspelt_field_is_refused():
    said = _problems(_field(PAIR, "has(self.low) && self.hihg > 1"))[0]
    assert said.endswith(
        "compilation failed: ERROR: <input>:1:22: undefined field 'hihg'\n | has(self.low) && self.hihg > 1\n"
        " | .....................^"
    )
    for rule in (
        "self.low.nothing()",
        "'self.nothing' == 'x'",
        "self.__namespace__.size() > 1",
        "oldSelf.?low.hasValue()",
    ):
        assert "undefined field" not in "".join(_problems(_field(PAIR, rule)))
    root = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name == 'a' && self.spec == 'x'"}]}
    assert "undefined field 'spec'" in _problems(root)[0]
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert _problems(_field(free, "!has(self.anything)")) == []


def test_without_the_extra_rules_are_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(expressions, "find_binding", lambda: None)
    assert _problems(_field(STRING, "self == 'x'")) == [f"s.x-kubernetes-validations: Forbidden: {MISSING_EXTRA}"]
    assert _problems({"type": "object"}) == []
    rules = compile_rules(parse_schema(_field(STRING, "self == 'x'")))
    assert MISSING_EXTRA in rules.validate({"x": "x"}, None)[0].message
