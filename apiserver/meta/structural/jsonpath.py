"""JSONPath as kubectl's templates know it, as far as columns and selectable fields need it.

.spec.replicas   .metadata.labels['app.kubernetes.io/name']   .status.conditions[?(@.type=="Ready")].status
.items[0]   .items[-1]   .items[0:2]   .items[*].name   ..name

find = compile_path(".status.conditions[?(@.type==\\"Ready\\")].status")
find(obj)  → ["True"]: all values found; a missing field is no error
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

MAX_PATH = 2_000
MAX_FOUND = 10_000

Step = Callable[[Any], Iterator[Any]]
_NAME = re.compile(r"(?:[^\s.\[\]'\"()?@*=<>!|{}\\,]|\\.)+")
_FILTER = re.compile(r"\?\(\s*@(?P<path>[^=<>!]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+?))?\s*\)", re.DOTALL)
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d+))?")
_UNION = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|(-?\d+))\s*")


class PathError(ValueError):
    """Not a path."""


def compile_path(text: str) -> Callable[[Any], list[Any]]:
    """Raises PathError."""
    if len(text) > MAX_PATH:
        raise PathError("the path is too long")
    steps = list(_parse(text))

    def find(value: Any) -> list[Any]:
        found = [value]
        for step in steps:
            found = [inner for each in found for inner in step(each)][:MAX_FOUND]
        return found

    return find


def field_path(text: str) -> tuple[str, ...] | None:
    """The names of a path that is nothing but fields, such as .spec.replicas; None for any other."""
    names = []
    at = 0
    while at < len(text):
        if text[at] == ".":
            found = _NAME.match(text, at + 1)
            if found is None:
                return None
            names.append(_unescape(found.group(0)))
            at = found.end()
        elif text[at] == "[":
            union = _UNION.match(text, at + 1)
            if union is None or union.group(3) is not None or text[union.end() : union.end() + 1] != "]":
                return None
            names.append(_unescape(union.group(1) or union.group(2) or ""))
            at = union.end() + 1
        else:
            return None
    return tuple(names)


def _unescape(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _parse(text: str) -> Iterator[Step]:
    at = 0
    while at < len(text):
        if text.startswith("..", at):
            at += 2
            if text[at : at + 1] == "[":
                yield _descend
                continue
            name = _NAME.match(text, at)
            if name is None and text[at : at + 1] != "*":
                raise PathError(f"unexpected end of path at {text[at:]!r}")
            yield _descend
            yield _all if name is None else _field(_unescape(name.group(0)))
            at = at + 1 if name is None else name.end()
        elif text[at] == ".":
            at += 1
            if text[at : at + 1] == "*":
                yield _all
                at += 1
            elif at < len(text) and text[at] != "[":
                name = _NAME.match(text, at)
                if name is None:
                    raise PathError(f"unrecognized character in path: {text[at]!r}")
                yield _field(_unescape(name.group(0)))
                at = name.end()
        elif text[at] == "[":
            step, at = _bracket(text, at + 1)
            yield step
        else:
            raise PathError(f"unrecognized character in path: {text[at]!r}")


def _bracket(text: str, at: int) -> tuple[Step, int]:
    found = _FILTER.match(text, at)
    if found is not None and text[found.end() : found.end() + 1] == "]":
        return _filter(found), found.end() + 1
    end = text.find("]", at)
    if text[at : at + 1] in "'\"":
        steps: list[Any] = []
        while True:
            union = _UNION.match(text, at)
            if union is None:
                raise PathError("unterminated array")
            quoted = union.group(1) if union.group(1) is not None else union.group(2)
            steps.append(int(union.group(3)) if quoted is None else _unescape(quoted))
            at = union.end()
            if text[at : at + 1] == ",":
                at += 1
                continue
            if text[at : at + 1] != "]":
                raise PathError("unterminated array")
            return _union(steps), at + 1
    inside = text[at:end].strip() if end >= 0 else ""
    if end < 0 or not inside:
        raise PathError("unterminated array")
    if inside == "*":
        return _all, end + 1
    if re.fullmatch(r"-?\d+(\s*,\s*-?\d+)*", inside):
        return _union([int(each) for each in inside.split(",")]), end + 1
    sliced = _SLICE.fullmatch(inside)
    if sliced is None:
        raise PathError(f"invalid array index {inside}")
    begin, stop, step = (int(part) if part else None for part in sliced.groups())
    return lambda value: iter(value[begin:stop:step] if isinstance(value, list) and step != 0 else ()), end + 1


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for inner in _all(value):
        if isinstance(inner, dict | list):
            yield from _descend(inner)


def _union(wanted: list[Any]) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for each in wanted:
            if isinstance(each, str):
                if isinstance(value, dict) and each in value:
                    yield value[each]
            elif isinstance(value, list) and -len(value) <= each < len(value):
                yield value[each]

    return step


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def _filter(found: re.Match[str]) -> Step:
    inner = compile_path(found.group("path").strip())
    operator, literal = found.group("op"), found.group("value")
    wanted = _literal(literal.strip()) if operator else None

    def accepts(value: Any) -> bool:
        values = inner(value)
        if not operator:
            return bool(values)
        if not values:
            return False
        try:
            return _COMPARE[operator](values[0], wanted)
        except TypeError:
            return False

    def step(value: Any) -> Iterator[Any]:
        return (each for each in _all(value) if accepts(each))

    return step


def _literal(text: str) -> Any:
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return _unescape(text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise PathError(f"unrecognized value in a filter: {text}") from None
