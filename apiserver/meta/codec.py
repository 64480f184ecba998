"""Bytes to plain objects and back: strict JSON, YAML, and bounds on both.

JSON allows a key twice and every parser silently keeps the last one; the API server must be able to say so
(`duplicate field "spec.x"`). Parsing twice would cost more than the rest of a write, so the fast parser runs first
and its result is weighed against the input: a dropped key drops its quotes. Only when the weights differ is the
input read again by a parser that sees pairs.

Sizes are checked before parsing, depth by the parser. Every refusal is a BadRequest (413 for size) that says what was
expected, in the API server's words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import yaml

from apiserver.errors import bad_request, too_large

MAX_BODY_BYTES = 3 * 1024 * 1024  # kube-apiserver's limit of a request body
MAX_DUPLICATES = 100
MAX_OBJECTS = 100_000
"""JSON objects in one body. What can be stored (1.5 MB) has no use for more; a body of three million braces costs minutes."""
_SUMMARY_BYTES = 30


class Decoded(NamedTuple):
    """A parsed body.

    duplicates: of JSON, the paths of keys that stood twice, such as "metadata.name", in their order;
    places: where there are some, how many keys stood before the first of each path, and before the second of a duplicate.
    lines: of YAML, what its parser says of such keys (`line 4: key "name" already set in map`).
    """

    obj: dict[str, Any]
    duplicates: tuple[str, ...] = ()
    places: Mapping[str, int] = MappingProxyType({})
    lines: tuple[str, ...] = ()


def encode(obj: Any) -> bytes:
    """Compact JSON. Raises ValueError for what JSON cannot say (numbers over 64 bits, depth over 254)."""
    return orjson.dumps(obj)


def sorted_json(obj: Any) -> str:
    """Compact JSON with its keys in order."""
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS).decode()


def check_objects(value: Any, bound: int) -> None:
    """Raises RequestEntityTooLarge for a value of too many objects. bound: there cannot be more of them than that."""
    if bound <= MAX_OBJECTS:
        return
    left, waiting = MAX_OBJECTS, [value]
    while waiting:
        each = waiting.pop()
        inner = each.values() if isinstance(each, dict) else each
        left -= isinstance(each, dict)
        if left < 0:
            raise too_large(f"Request entity too large: limit is {MAX_OBJECTS} objects")
        waiting += [one for one in inner if isinstance(one, dict | list)]


def encode_yaml(obj: Any) -> bytes:
    """YAML in blocks, keys sorted, as the API server writes it."""
    return yaml.dump(obj, Dumper=_Dumper, default_flow_style=False, allow_unicode=True).encode()


def deep_copy(obj: Any) -> Any:
    """A private copy of a plain object; faster than copy.deepcopy by an order of magnitude."""
    return orjson.loads(orjson.dumps(obj))


def decode_json(body: bytes, kind: str = "object", *, max_bytes: int = MAX_BODY_BYTES) -> Decoded:
    """Parses a request body that must be a JSON object; `kind` is what was expected of it, for the error.

    Raises BadRequest, or RequestEntityTooLarge.
    """
    _check_size(body, max_bytes)
    value = parse_json(body, lambda why: bad_request(_unrecognized(kind, why, body)))
    if not isinstance(value, dict):
        why = f'json: cannot unmarshal {_JSON_NAMES[type(value)]} into Go value of type struct {{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'  # noqa: E501
        raise bad_request(_unrecognized(kind, why, body))
    check_objects(value, body.count(b"{"))
    if _may_have_duplicates(body, value):
        found, places = _find_duplicates(body)
        return Decoded(value, tuple(found), places)
    return Decoded(value)


_PARSE_ERROR = "couldn't get version/kind; json parse error: "


def not_a_patch(why: str) -> Exception:
    return bad_request(f"error decoding patch: {why.removeprefix(_PARSE_ERROR)}")


def decode_patch(body: bytes, refuse: Callable[[str], Exception] = not_a_patch) -> Decoded:
    """Parses a merge or strategic patch. Raises what `refuse(why)` makes, or RequestEntityTooLarge."""
    _check_size(body, MAX_BODY_BYTES)
    value = parse_json(body, lambda why: refuse(why.removeprefix(_PARSE_ERROR)))
    if not isinstance(value, dict):
        name = _JSON_NAMES[type(value)]
        raise refuse(f"json: cannot unmarshal {name} into Go value of type map[string]interface {{}}")
    check_objects(value, body.count(b"{"))
    if _may_have_duplicates(body, value):
        found, places = _find_duplicates(body)
        return Decoded(value, tuple(found), places)
    return Decoded(value)


def decode_yaml(body: bytes, kind: str = "object", *, max_bytes: int = MAX_BODY_BYTES) -> Decoded:
    """Parses a YAML body of exactly one document that must be a map. Raises BadRequest, or RequestEntityTooLarge."""
    _check_size(body, max_bytes)
    lines: list[str] = []
    try:
        text = body.decode()
        _check_yaml_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _walk_yaml(node, lines, [_MAX_YAML_NODES], 0)
        value = loader.construct_document(node) if node is not None else None
        # Once through JSON: what it cannot say is not an object, keys become text and are sorted, aliases become copies.
        value = orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS))
    except (yaml.YAMLError, UnicodeDecodeError, orjson.JSONEncodeError, ValueError, RecursionError) as error:
        raise bad_request(_unrecognized(kind, f"error converting YAML to JSON: {_first_line(error)}", body)) from None
    if not isinstance(value, dict):
        raise bad_request(_unrecognized(kind, "a YAML body must be a map", body))
    check_objects(value, MAX_OBJECTS + 1)  # its text does not bound them: there are aliases
    return Decoded(value, lines=tuple(lines[:MAX_DUPLICATES]))


def parse_json(body: bytes, error: Any = None) -> Any:
    """Any JSON value, within the parser's depth. Raises what `error(why)` makes: by default BadRequest(why)."""
    make = error or bad_request
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise make(f"{_PARSE_ERROR}{_go_syntax_error(body, problem)}") from None


_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "bool", type(None): "null"}


def _check_size(body: bytes, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise too_large(f"Request entity too large: limit is {max_bytes}")


def _unrecognized(kind: str, why: str, body: bytes) -> str:
    prefix = "" if why.startswith("couldn't get") else "couldn't get version/kind; json parse error: "
    return f"the object provided is unrecognized (must be of type {kind}): {prefix}{why} ({summarize_body(body)})"


def summarize_body(body: bytes) -> str:
    """The beginning of a body that could not be read, for the message that says so."""
    if not body:
        return "<empty>"
    cut = body[:_SUMMARY_BYTES]
    shown = cut.decode("utf-8", "replace") if body[:1] == b"{" else cut.hex()
    return shown if len(body) <= _SUMMARY_BYTES else f"{shown} ..."


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _go_syntax_error(body: bytes, problem: orjson.JSONDecodeError) -> str:
    """Go's words for the same mistake: input that ends early, or the first character that cannot be there."""
    text = body.decode("utf-8", "replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as found:
        rest = text[found.pos :].lstrip()
        if not rest or "Unterminated string" in found.msg:
            return "unexpected end of JSON input"
        place = "after top-level value" if found.msg == "Extra data" else "looking for beginning of value"
        return f"invalid character {rest[0]!r} {place}"
    except RecursionError:
        return "exceeded max depth"
    except ValueError:
        pass  # an integer of thousands of digits
    return str(problem)  # what only the strict parser minds: NaN, lone surrogates


def _may_have_duplicates(body: bytes, value: dict[str, Any]) -> bool:
    """False only when there are none. A repeated key loses at least its two quotes when the object is written again.

    An escaped quote could make up for them, so a body that spells quotes as \\u0022 is always looked at closely.
    """
    try:
        again = orjson.dumps(value)
    except orjson.JSONEncodeError as problem:
        raise bad_request(f"json: {problem}") from None
    return body.count(b'"') != again.count(b'"') or b"\\u0022" in body


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stood in the text, with repeated keys."""


def _find_duplicates(body: bytes) -> tuple[list[str], dict[str, int]]:
    """See Decoded."""
    found: list[str] = []
    places: dict[str, int] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, inner in value:
                inner_path = f"{path}.{key}" if path else key
                if key in seen and inner_path not in found and len(found) < MAX_DUPLICATES:
                    found.append(inner_path)
                    places[f"{inner_path} again"] = len(places)
                seen.add(key)
                places.setdefault(inner_path, len(places))
                walk(inner, inner_path)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{path}[{index}]")

    walk(json.loads(body, object_pairs_hook=_Pairs), "")
    return found, places


# YAML ---------------------------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's idea of scalars as far as Kubernetes shares it: times stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes what stands twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_MAX_YAML_DEPTH = 200
_MAX_YAML_NODES = 1_000_000


def _check_yaml_depth(text: str) -> None:
    """Before nodes are made, which the C parser does with its own stack. Raises ValueError, YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_YAML_DEPTH:
                raise ValueError("exceeded max depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _walk_yaml(node: yaml.Node, lines: list[str], budget: list[int], depth: int) -> None:
    """Finds repeated keys, and says where their second value stands.

    Walks aliases as often as they stand, for a few lines of them expand to gigabytes.

    Raises ValueError when the expanded document is too deep or too large.
    """
    budget[0] -= 1
    if depth > _MAX_YAML_DEPTH or budget[0] < 0:
        raise ValueError("exceeded max depth" if budget[0] >= 0 else "document contains excessive aliasing")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, inner in node.value:
            key = str(key_node.value)
            _walk_yaml(inner, lines, budget, depth + 1)
            if key in seen:
                lines.append(f"line {inner.start_mark.line + 1}: key {json.dumps(key)} already set in map")
            seen.add(key)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _walk_yaml(inner, lines, budget, depth + 1)
