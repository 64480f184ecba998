"""The two patch formats of the IETF: RFC 6902 (JSON Patch) and RFC 7386 (JSON Merge Patch).

Both take a plain object and give a new one; what they were given is not changed, but unchanged parts are shared with
the result, so treat both as read-only or copy.

A JSON Patch is all or nothing. A patch that is not one is BadRequest; one that does not fit the object (a missing path,
a failing test) is 422 Invalid with the API server's own, wordless text.
"""

from __future__ import annotations

from typing import Any

from apiserver.errors import StatusError, bad_request, too_large
from apiserver.meta.codec import deep_copy

MAX_OPERATIONS = 10_000  # kube-apiserver's maxJSONPatchOperations
MAX_RESULT_ITEMS = 1_000_000  # copies of copies grow exponentially


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(obj: Any, operations: Any) -> Any:
    """RFC 6902: applies the operations in order. Raises StatusError (400, 413, 422) and then nothing has happened."""
    if not isinstance(operations, list):
        name = "object" if isinstance(operations, dict) else "value"
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {name} into Go value of type []handlers.jsonPatchOp"
        )
    if len(operations) > MAX_OPERATIONS:
        raise too_large(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    document = deep_copy(obj)
    budget = [MAX_RESULT_ITEMS]
    for operation in operations:
        document = _apply(document, operation, budget)
    return document


def _unfit() -> StatusError:
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def _apply(document: Any, operation: Any, budget: list[int]) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise bad_request("error decoding patch: an operation needs a path")
    op, path = operation.get("op"), _pointer(operation["path"])
    if op in ("add", "replace", "test") and "value" not in operation:
        raise bad_request(f'error decoding patch: operation "{op}" needs a value')
    if op == "add":
        return _add(document, path, deep_copy(operation["value"]))
    if op == "remove":
        return _remove(document, path)
    if op == "replace":
        _get(document, path)
        return _replace(document, path, deep_copy(operation["value"]))
    if op == "test":
        if not _equal(_get(document, path), operation["value"]):
            raise _unfit()
        return document
    if op in ("move", "copy"):
        if not isinstance(operation.get("from"), str):
            raise bad_request(f'error decoding patch: operation "{op}" needs from')
        source = _pointer(operation["from"])
        value = _get(document, source)
        if op == "copy":
            budget[0] -= _count(value)
            if budget[0] < 0:
                raise too_large("the result of the JSON patch is too large")
            return _add(document, path, deep_copy(value))
        if path[: len(source)] == source and path != source:
            raise _unfit()  # a value cannot be moved into itself
        return document if path == source else _add(_remove(document, source), path, value)
    raise _unfit()


def _pointer(text: str) -> list[str]:
    """RFC 6901."""
    if text == "":
        return []
    if text[0] != "/":
        raise _unfit()
    return [step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/")]


def _index(items: list[Any], step: str, *, end: int) -> int:
    """A list index, below `end`. RFC 6901: digits without leading zeros."""
    if not step.isascii() or not step.isdigit() or (step[0] == "0" and step != "0") or int(step) >= end:
        raise _unfit()
    return int(step)


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict):
            if step not in document:
                raise _unfit()
            document = document[step]
        elif isinstance(document, list):
            document = document[_index(document, step, end=len(document))]
        else:
            raise _unfit()
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(parent, last, end=len(parent) + 1), value)
    else:
        raise _unfit()
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise _unfit()
    _get(document, path)
    parent, last = _get(document, path[:-1]), path[-1]
    del parent[last if isinstance(parent, dict) else int(last)]
    return document


def _replace(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    parent[last if isinstance(parent, dict) else int(last)] = value
    return document


def _equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: Python's, except that true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_equal(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_count(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(_count(inner) for inner in value)
    return 1
