"""x-kubernetes-validations: rules in CEL, compiled by the optional extra `cel` (cel-expr-python, the C++ implementation).

    Without the extra a definition with rules is refused (`check_expressions`), with the way out in the text.

A rule sees `self`, the value it stands at, and, if it speaks of it, `oldSelf`; such a transition rule is only asked on updates
(with optionalOldSelf always, and oldSelf is then an optional). A value that did not change keeps what was wrong with it.

Expressions are compiled without the types of objects, which the binding cannot be told. So that a misspelt field is refused
as Kubernetes refuses it, paths that begin with `self` are looked up in the schema; what stands deeper (a variable of `all`)
is found when the rule is asked. There is no estimate of what a rule may cost: the binding ends one after 10,000 iterations.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.custom import cel_library
from apiserver.kinds.custom.cel_values import escape, to_cel
from apiserver.meta import at, child, duplicate, forbidden, invalid, required
from apiserver.meta.structural import WHOLE_OBJECT, Schema, field_path, has_rules, key_of, same

Object = dict[str, Any]

MISSING_EXTRA = (
    "rules in CEL need the optional extra: pip install 'kvcluster[cel]'; without it this server cannot check them"
)
_NO_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
MAX_RULE = 10_000
MAX_MESSAGE = 5_120

_OLD_SELF = re.compile(r"\boldSelf\b")
_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_NO_KEY = re.compile(r'Key not found in map : "(.*)"')
_PATH = re.compile(r"\b(?:self|oldSelf)((?:\s*\.\s*\??[A-Za-z_]\w*)+)(\s*\()?")
_STEP = re.compile(r"\.\s*\??([A-Za-z_]\w*)")
_OPTIONAL_OLD = "cel.bind(oldSelf, hasOldSelf ? optional.of(formerSelf) : optional.none(), ({}))"


@lru_cache(maxsize=1)
def find_binding() -> Any:
    """The module of the extra, imported when the first rule is seen; None without the extra."""
    try:
        from cel_expr_python import cel  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return None
    return cel


class Rule:
    """A compiled rule. program None: it could not be compiled."""

    __slots__ = ("fields", "is_optional", "message", "program", "reason", "says", "text", "uses_old")

    def __init__(self, source: Object, schema: Schema) -> None:
        self.text: str = source.get("rule") or ""
        self.message = (source.get("message") or "").strip()
        self.reason: str = source.get("reason") or "FieldValueInvalid"
        self.fields = field_path(source.get("fieldPath") or "") or ()
        self.uses_old = uses_old_self(self.text)
        self.is_optional = bool(source.get("optionalOldSelf"))
        self.program = _compile(self.text, schema, is_optional=self.is_optional and self.uses_old)
        expression = source.get("messageExpression") or ""
        self.says = _compile(expression, schema, is_optional=self.is_optional) if expression else None


class Expressions:
    """The rules of a schema and of what is below it."""

    def __init__(self, schema: Schema, rules: list[Rule], below: dict[str, Expressions]) -> None:
        self._schema = schema
        self._rules = rules
        self._below = below  # by property; "{}" for every value of a map, "[]" for every item of a list

    def validate(self, value: Any, old: Any, path: str = "", *, is_whole: bool = True) -> list[Cause]:
        """old: the value's former self, None where there is none. Only values that are there are looked at."""
        if value is None or (not self._rules and not self._below):
            return []
        is_same = old is not None and same(value, old)
        causes = self._ask(value, old, path, is_whole, is_same)
        below, schema = self._below, self._schema
        if isinstance(value, dict):
            former = old if isinstance(old, dict) else {}
            for key, inner in value.items():
                found = below.get(key) if key in schema.properties else below.get("{}")
                if found is not None:
                    where = child(path, key) if key in schema.properties else at(path, key)
                    causes += found.validate(inner, former.get(key), where, is_whole=False)
        elif isinstance(value, list) and "[]" in below:
            known = {}
            if isinstance(old, list) and schema.list_type == "map":
                known = {key_of(item, schema.list_keys): item for item in old}
            for index, item in enumerate(value):
                before = known.get(key_of(item, schema.list_keys)) if known else None
                if before is None and is_same:
                    continue  # nothing in it can have changed
                causes += below["[]"].validate(item, before, at(path, index), is_whole=False)
        return causes

    def _ask(self, value: Any, old: Any, path: str, is_whole: bool, is_same: bool) -> list[Cause]:
        causes = []
        data: Object | None = None
        for rule in self._rules:
            if rule.uses_old and old is None and not rule.is_optional:
                continue
            if is_same and not rule.uses_old:
                continue
            if data is None:
                former = None if old is None else to_cel(old, self._schema, is_whole=is_whole)
                itself = to_cel(value, self._schema, is_whole=is_whole)
                data = {"self": itself, "oldSelf": former, "formerSelf": former, "hasOldSelf": old is not None}
            cause = _ask_rule(rule, data, self._schema.type, path)
            if cause is not None:
                causes.append(cause)
        return causes


def compile_rules(schema: Schema) -> Expressions:
    """What cannot be compiled (the extra is missing, a stored definition of another server) refuses every value it is about."""
    below: dict[str, Expressions] = {}
    for name, inner in _children(schema):
        if has_rules(inner):
            below[name] = compile_rules(inner)
    rules = [Rule(source, schema) for source in schema.rules]
    for nested in schema.all_of:
        rules += [Rule(source, schema) for source in nested.rules]
    return Expressions(schema, rules, below)


def check_expressions(schema: Schema, path: str, *, is_correlatable: bool = True, is_whole: bool = True) -> list[Cause]:
    """What is wrong with the rules of a definition's schema. path: of the schema. Forms are checked elsewhere.

    is_correlatable: an old value can be found for a value here. is_whole: it is the schema of a resource.
    """
    if not has_rules(schema):
        return []
    if find_binding() is None:
        return [forbidden(child(path, "x-kubernetes-validations"), MISSING_EXTRA)]
    causes: list[Cause] = []
    for index, rule in enumerate(schema.rules):
        where = at(child(path, "x-kubernetes-validations"), index)
        causes += _check_rule(rule, schema, where, is_correlatable, is_whole or schema.embedded)
    for name, inner in schema.properties.items():
        where = at(child(path, "properties"), name)
        causes += check_expressions(inner, where, is_correlatable=is_correlatable, is_whole=False)
    if schema.additional is not None:
        where = child(path, "additionalProperties")
        causes += check_expressions(schema.additional, where, is_correlatable=is_correlatable, is_whole=False)
    if schema.items is not None:
        by_key = is_correlatable and schema.list_type == "map"
        causes += check_expressions(schema.items, child(path, "items"), is_correlatable=by_key, is_whole=False)
    return causes


def uses_old_self(rule: str) -> bool:
    return _OLD_SELF.search(_TEXT.sub("", rule)) is not None


def _children(schema: Schema) -> list[tuple[str, Schema]]:
    found = list(schema.properties.items())
    if schema.additional is not None:
        found.append(("{}", schema.additional))
    if schema.items is not None:
        found.append(("[]", schema.items))
    return found


def _check_rule(source: Object, schema: Schema, path: str, is_correlatable: bool, is_whole: bool) -> list[Cause]:
    text = source.get("rule") or ""
    if not text.strip():
        return []
    causes = []
    problem = _problem(text, schema, source, wanted="bool") or _misspelt(text, schema, is_whole)
    if problem:
        causes.append(invalid(child(path, "rule"), text, problem))
    elif uses_old_self(text) and not is_correlatable:
        why = "oldSelf cannot be used on the uncorrelatable portion of the schema within an atomic list"
        causes.append(invalid(child(path, "rule"), text, why))
    elif source.get("optionalOldSelf") is not None and not uses_old_self(text):
        why = "may not be set if oldSelf is not used in rule"
        causes.append(invalid(child(path, "optionalOldSelf"), source["optionalOldSelf"], why))
    expression = source.get("messageExpression") or ""
    if expression.strip():
        problem = _problem(expression, schema, source, wanted="string") or _misspelt(expression, schema, is_whole)
        if problem:
            causes.append(invalid(child(path, "messageExpression"), expression, problem))
    if source.get("fieldPath"):
        fields = field_path(source["fieldPath"])
        found: Schema | None = schema
        for name in fields or ("",):
            found = (found.properties.get(name) or found.additional) if found is not None else None
        if found is None:
            why = "fieldPath must be a valid path: does not refer to a valid field"
            causes.append(invalid(child(path, "fieldPath"), source["fieldPath"], why))
    return causes


def _problem(text: str, schema: Schema, source: Object, *, wanted: str) -> str:
    """What is wrong with an expression; empty where nothing is."""
    if len(text) > MAX_RULE:
        return f"may not be longer than {MAX_RULE} characters"
    is_optional = bool(source.get("optionalOldSelf"))
    try:
        made = _environment(_type_of(schema)).compile(_wrapped(text, is_optional=is_optional))
    except (RuntimeError, ValueError) as error:
        return f"compilation failed: {_short(error)}"
    result = made.return_type().name()
    if result not in (wanted.upper(), "DYN"):
        return f"cel expression must evaluate to a {wanted}"
    return ""


def _misspelt(text: str, schema: Schema, is_whole: bool) -> str:
    """The error about the first path from `self` that the schema does not know; empty where there is none."""
    blank = _TEXT.sub(lambda found: " " * len(found.group(0)), text)
    for found in _PATH.finditer(blank):
        steps = list(_STEP.finditer(blank, found.start(1), found.end(1)))
        if found.group(2):
            steps.pop()  # a method
        node: Schema | None = schema
        whole = is_whole
        for step in steps:
            if node is None or node.type != "object" or node.additional is not None or node.preserve:
                break
            name = step.group(1)
            if whole and name in WHOLE_OBJECT:
                break
            node = next((inner for key, inner in node.properties.items() if escape(key) == name), None)
            if node is None:
                return _located(text, step.start(), f"undefined field '{name}'")
            whole = node.embedded
    return ""


def _located(text: str, at: int, why: str) -> str:
    """An error as CEL compilers print it."""
    before = text[:at].splitlines() or [""]
    line, column = len(before), len(before[-1])
    shown = text.splitlines()[line - 1]
    return f"compilation failed: ERROR: <input>:{line}:{column + 1}: {why}\n | {shown}\n | {'.' * column}^"


def _wrapped(text: str, *, is_optional: bool) -> str:
    return _OPTIONAL_OLD.format(text) if is_optional else text


def _short(error: Exception) -> str:
    return str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")


def _compile(text: str, schema: Schema, *, is_optional: bool) -> Any:
    if find_binding() is None:
        return None
    try:
        return _environment(_type_of(schema)).compile(_wrapped(text, is_optional=is_optional))
    except (RuntimeError, ValueError):
        return None


def _type_of(schema: Schema) -> str:
    """The type that an expression may count on at compile time."""
    if schema.int_or_string:
        return "DYN"
    if schema.type == "string":
        return {"date-time": "TIMESTAMP", "datetime": "TIMESTAMP", "date": "TIMESTAMP", "duration": "DURATION",
                "byte": "BYTES"}.get(schema.format, "STRING")  # fmt: skip
    # Numbers are compared across their types, which the binding's checker would not have.
    return {"boolean": "BOOL", "array": "LIST"}.get(schema.type, "DYN")


@lru_cache(maxsize=16)
def _environment(type_name: str) -> Any:
    from cel_expr_python.ext import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
        ext_bindings,
        ext_encoders,
        ext_math,
        ext_optional,
        ext_strings,
    )

    cel = find_binding()
    kind = cel.Type.List(cel.Type.DYN) if type_name == "LIST" else getattr(cel.Type, type_name)
    variables = {"self": kind, "oldSelf": kind, "formerSelf": kind, "hasOldSelf": cel.Type.BOOL}
    extensions = [
        ext_bindings.ExtBindings(), ext_encoders.ExtEncoders(), ext_math.ExtMath(), ext_optional.ExtOptional(),
        ext_strings.ExtStrings(), cel_library.build_extension(cel),
    ]  # fmt: skip
    return cel.NewEnv(variables=variables, extensions=extensions)


def _evaluate(program: Any, data: Object) -> tuple[Any, str]:
    """(the value, "") or (None, what went wrong)"""
    bound = {name: value for name, value in data.items() if value is not None}
    try:
        made = program.eval(data=bound)
        if made.type().name() == "ERROR":
            return None, _short(Exception(made.plain_value()))
        return made.plain_value(), ""
    except (RuntimeError, ValueError, TypeError) as error:
        return None, _short(error)


def _ask_rule(rule: Rule, data: Object, type_name: str, path: str) -> Cause | None:
    """None where the rule holds."""
    said = rule.message or f"failed rule: {rule.text.strip()}"
    where = path or "<nil>"  # a rule of the whole object
    if rule.program is None:
        why = MISSING_EXTRA if find_binding() is None else "rule compile error"
        return invalid(where, type_name, f"{why}: {said}")
    value, problem = _evaluate(rule.program, data)
    if problem:
        if "budget exceeded" in problem:
            return invalid(where, type_name, _NO_BUDGET)
        missing = _NO_KEY.search(problem)
        why = f"no such key: {missing.group(1)}" if missing else problem
        return invalid(where, type_name, f"{why} evaluating rule: {said}")
    if value is True:
        return None
    if rule.says is not None:
        text, problem = _evaluate(rule.says, data)
        if not problem and isinstance(text, str) and text.strip() and "\n" not in text and len(text) <= MAX_MESSAGE:
            said = text.strip()
    for name in rule.fields:
        path = where = child(path, name)
    if rule.reason == "FieldValueForbidden":
        return forbidden(where, said)
    if rule.reason == "FieldValueRequired":
        return required(where, said)
    if rule.reason == "FieldValueDuplicate":
        return duplicate(where, type_name)
    return invalid(where, type_name, said)
