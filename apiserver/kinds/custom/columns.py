"""Table columns of a custom resource: the name, then what additionalPrinterColumns say, or the age where they say nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from apiserver.kinds import strategy
from apiserver.meta import Column, age
from apiserver.meta.structural import PathError, compile_path

Object = dict[str, Any]

_AGE = Column("Age", "date", "", strategy.AGE.description)
INVALID_DATE = "<invalid>"


def build_columns(declared: list[Object]) -> tuple[tuple[Column, ...], Callable[[Object, float], list[Any]]]:
    """(the columns, the row's hook)"""
    if not declared:
        return (strategy.NAME, _AGE), lambda obj, now: [obj["metadata"].get("name"), strategy.object_age(obj, now)]
    columns = [strategy.NAME]
    cells = []
    for said in declared:
        kind = said.get("type", "string")
        description = (
            said.get("description") or f"Custom resource definition column (in JSONPath format): {said['jsonPath']}"
        )
        columns.append(Column(said["name"], kind, said.get("format", ""), description, said.get("priority", 0)))
        cells.append(_cell(said["jsonPath"], kind))

    def row(obj: Object, now: float) -> list[Any]:
        return [obj["metadata"].get("name"), *(cell(obj, now) for cell in cells)]

    return tuple(columns), row


def _cell(path: str, kind: str) -> Callable[[Object, float], Any]:
    try:
        find = compile_path(path)
    except PathError:  # refused when it was declared; an older server may have let it in
        return lambda obj, now: None
    convert = _CONVERT.get(kind, _as_text)

    def cell(obj: Object, now: float) -> Any:
        found = find(obj)
        return convert(found, now) if found else None

    return cell


def _as_text(found: list[Any], now: float) -> str:
    return " ".join(_shown(value) for value in found)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    return str(value) if isinstance(value, int | float) else json.dumps(value, separators=(",", ":"), sort_keys=True)


def _as_integer(found: list[Any], now: float) -> int | None:
    value = found[0]
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_number(found: list[Any], now: float) -> float | None:
    value = found[0]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_boolean(found: list[Any], now: float) -> bool | None:
    return found[0] if isinstance(found[0], bool) else None


def _as_date(found: list[Any], now: float) -> str | None:
    value = found[0]
    if not isinstance(value, str):
        return None
    try:
        return age(value, now)
    except ValueError:
        return INVALID_DATE


_CONVERT: dict[str, Callable[[list[Any], float], Any]] = {
    "integer": _as_integer,
    "number": _as_number,
    "boolean": _as_boolean,
    "date": _as_date,
}
