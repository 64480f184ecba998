"""Label selectors and field selectors: parsed once, matched often, never changed.

Two texts and one object form:

    labelSelector=app=web,tier in (a,b),!canary        parse_label_selector
    fieldSelector=status.phase!=Failed,spec.nodeName=  parse_field_selector
    {"matchLabels": {...}, "matchExpressions": [...]}  label_selector_of

All three values are hashable and equal when they say the same in the same order, so that watchers can be grouped by
them. A selector that cannot be read is BadRequest, with Kubernetes' text (apimachinery labels and fields).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from apiserver.errors import bad_request
from apiserver.meta.names import check_label_value, check_qualified_name

IN = "In"
NOT_IN = "NotIn"
EXISTS = "Exists"
DOES_NOT_EXIST = "DoesNotExist"
GREATER_THAN = "Gt"
LESS_THAN = "Lt"

MAX_REQUIREMENTS = 1000  # a bound on the work of one match

_TOKEN = re.compile(r"\s*(?:(==|!=|[=!<>(),])|([^\s=!<>(),]+))")
_OPERATORS_TEXT = "in, notin, =, ==, !=, gt, lt"
_TEXT_OPERATORS = {"=": IN, "==": IN, "!=": NOT_IN, "in": IN, "notin": NOT_IN, ">": GREATER_THAN, "<": LESS_THAN}
_OBJECT_OPERATORS = (IN, NOT_IN, EXISTS, DOES_NOT_EXIST)


class Requirement(NamedTuple):
    """One condition on one label. values: sorted, empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """NotIn and DoesNotExist hold for an absent key; Gt and Lt only for whole numbers."""
        value = labels.get(self.key)
        operator = self.operator
        if operator == IN:
            return value in self.values
        if operator == NOT_IN:
            return value is None or value not in self.values
        if operator == EXISTS:
            return value is not None
        if operator == DOES_NOT_EXIST:
            return value is None
        number, bound = _whole(value), _whole(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if operator == GREATER_THAN else number < bound

    def __str__(self) -> str:
        key, operator, values = self
        if operator == EXISTS:
            return key
        if operator == DOES_NOT_EXIST:
            return f"!{key}"
        if operator in (GREATER_THAN, LESS_THAN):
            return f"{key}{'>' if operator == GREATER_THAN else '<'}{values[0]}"
        if len(values) == 1:
            return f"{key}{'=' if operator == IN else '!='}{values[0]}"
        return f"{key} {'in' if operator == IN else 'notin'} ({','.join(values)})"


class LabelSelector(NamedTuple):
    """All requirements hold. Without requirements it matches everything, unless it `is_nothing`."""

    requirements: tuple[Requirement, ...] = ()
    is_nothing: bool = False

    @property
    def is_everything(self) -> bool:
        return not self.requirements and not self.is_nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.is_nothing:
            return False
        found = labels or {}
        return all(requirement.matches(found) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(is_nothing=True)


def _whole(value: str | None) -> int | None:
    try:
        return int(value) if value is not None else None
    except ValueError:
        return None


# The text form ------------------------------------------------------------------------------------------------------


class _Tokens:
    """The words of a selector text, one ahead. The end is the empty word, shown as Kubernetes shows it: nothing."""

    def __init__(self, text: str) -> None:
        self._words: list[str] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:  # unreachable: every character is in one of the two classes
                raise bad_request(f"unable to parse selector {text!r}")
            self._words.append(match[1] or match[2])
            position = match.end()
        self._next = 0

    def peek(self) -> str:
        return self._words[self._next] if self._next < len(self._words) else ""

    def take(self) -> str:
        word = self.peek()
        self._next += 1
        return word


def _is_identifier(word: str) -> bool:
    return bool(word) and word[0] not in "=!<>(),"


def parse_label_selector(text: str) -> LabelSelector:
    """Reads `labelSelector`: equality, set based, existence, `>` and `<`. The empty text matches everything.

    Raises BadRequest.
    """
    tokens = _Tokens(text)
    requirements: list[Requirement] = []
    while word := tokens.peek():
        if not _is_identifier(word) and word != "!":
            raise bad_request(f"found '{word}', expected: !, identifier, or 'end of string'")
        try:
            requirements.append(_parse_requirement(tokens))
        except ValueError as problem:
            raise bad_request(f"unable to parse requirement: {problem}") from None
        if len(requirements) > MAX_REQUIREMENTS:
            raise bad_request(f"a label selector may have at most {MAX_REQUIREMENTS} requirements")
        separator = tokens.take()
        if separator == ",":
            following = tokens.peek()
            if not _is_identifier(following) and following != "!":
                raise bad_request(f"found '{following}', expected: identifier after ','")
        elif separator:
            raise bad_request(f"found '{separator}', expected: ',' or 'end of string'")
    return LabelSelector(tuple(sorted(requirements)))


def _parse_requirement(tokens: _Tokens) -> Requirement:
    absent = tokens.peek() == "!"
    if absent:
        tokens.take()
    key = tokens.take()
    if not _is_identifier(key):
        raise ValueError(f"found '{key}', expected: identifier")
    _require(check_qualified_name(key), "key", key)
    if absent:
        return Requirement(key, DOES_NOT_EXIST, ())
    if tokens.peek() in ("", ","):
        return Requirement(key, EXISTS, ())
    word = tokens.take()
    operator = _TEXT_OPERATORS.get(word)
    if operator is None:
        raise ValueError(f"found '{word}', expected: {_OPERATORS_TEXT}")
    values = _parse_set(tokens) if word in ("in", "notin") else [_parse_exact(tokens)]
    if operator in (GREATER_THAN, LESS_THAN) and _whole(values[0]) is None:
        raise ValueError(f'values[0][{key}]: Invalid value: "{values[0]}": for \'Gt\', \'Lt\' operators, the value '
                         "must be an integer")  # fmt: skip
    for index, value in enumerate(values):
        _require(check_label_value(value), f"values[{index}][{key}]", value)
    return Requirement(key, operator, tuple(sorted(dict.fromkeys(values))))


def _parse_exact(tokens: _Tokens) -> str:
    if tokens.peek() in ("", ","):
        return ""
    value = tokens.take()
    if not _is_identifier(value):
        raise ValueError(f"found '{value}', expected: identifier")
    return value


def _parse_set(tokens: _Tokens) -> list[str]:
    if (word := tokens.take()) != "(":
        raise ValueError(f"found '{word}' expected: '('")
    values = []
    while True:
        word = tokens.take()
        if word == ")" or word == ",":
            values.append("")
        elif _is_identifier(word):
            values.append(word)
            word = tokens.take()
        if word == ")":
            return values
        if word != ",":
            raise ValueError(f"found '{word}', expected: ',' or ')'")


def _require(problems: list[str], field: str, value: str) -> None:
    if problems:
        raise ValueError(f'{field}: Invalid value: "{value}": {"; ".join(problems)}')


# The object form ----------------------------------------------------------------------------------------------------


def label_selector_of(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of a metav1.LabelSelector object: None selects nothing, {} everything.

    Raises BadRequest for an operator that does not exist or values that do not fit it.
    """
    if selector is None:
        return NOTHING
    requirements = [Requirement(key, IN, (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression.get("key", ""), expression.get("operator", "")
        values = expression.get("values") or []
        if operator not in _OBJECT_OPERATORS:
            raise bad_request(f'"{operator}" is not a valid label selector operator')
        if (operator in (IN, NOT_IN)) != bool(values):
            wanted = "must be non-empty for" if not values else "must be empty for"
            raise bad_request(f"values: Invalid value: {values}: {wanted} operator {operator!r}")
        requirements.append(Requirement(key, operator, tuple(sorted(dict.fromkeys(values)))))
    return LabelSelector(tuple(sorted(requirements)))


# Field selectors ----------------------------------------------------------------------------------------------------


class FieldTerm(NamedTuple):
    """One comparison of one field: equal, or `negated`."""

    field: str
    negated: bool
    value: str


class FieldSelector(NamedTuple):
    """All terms hold. Without terms it matches everything."""

    terms: tuple[FieldTerm, ...] = ()

    @property
    def is_everything(self) -> bool:
        return not self.terms

    def matches(self, values: Mapping[str, str]) -> bool:
        """`values` maps a field's label to its text; an absent one is the empty text."""
        return all((values.get(field, "") == value) is not negated for field, negated, value in self.terms)

    def find_exact(self, field: str) -> str | None:
        """The one value that `field` must have, if the selector says so."""
        return next((term.value for term in self.terms if term.field == field and not term.negated), None)

    def bind(self, labels: Mapping[str, Callable[[dict[str, Any]], str]]) -> Callable[[dict[str, Any]], bool]:
        """A predicate on whole objects; `labels` says how each field is read. Raises BadRequest for another field."""
        checks = []
        for field, negated, value in self.terms:
            read = labels.get(field)
            if read is None:
                raise bad_request(f"field label not supported: {field}")
            checks.append((read, negated, value))
        return lambda obj: all((read(obj) == value) is not negated for read, negated, value in checks)

    def __str__(self) -> str:
        return ",".join(f"{field}{'!=' if negated else '='}{_escape(value)}" for field, negated, value in self.terms)


_FIELD_PART = re.compile(r"(?:[^,\\]|\\.?)+", re.DOTALL)
_FIELD_TERM = re.compile(r"((?:[^=!\\]|!(?!=)|\\.)*)(!=|==|=)(.*)", re.DOTALL)


def parse_field_selector(text: str) -> FieldSelector:
    r"""Reads `fieldSelector`: comma-separated `=`, `==`, `!=`; in values `\\`, `\,` and `\=` stand for themselves.

    Raises BadRequest.
    """
    terms = []
    for part in _FIELD_PART.findall(text):
        match = _FIELD_TERM.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = match.groups()
        terms.append(FieldTerm(field.strip(), operator == "!=", _unescape(value)))
        if len(terms) > MAX_REQUIREMENTS:
            raise bad_request(f"a field selector may have at most {MAX_REQUIREMENTS} terms")
    return FieldSelector(tuple(terms))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _unescape(value: str) -> str:
    """Raises BadRequest for an escape that does not exist and for a bare `=`."""
    if "\\" not in value and "=" not in value:
        return value
    plain = []
    rest = iter(value)
    for char in rest:
        if char == "\\":
            escaped = next(rest, "")
            if escaped not in ("\\", ",", "="):
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{escaped}")
            plain.append(escaped)
        elif char == "=":
            raise bad_request(f"invalid field selector: unescaped character in value: {char}")
        else:
            plain.append(char)
    return "".join(plain)
