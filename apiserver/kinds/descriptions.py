"""What types and fields are for, in words: for `kubectl explain`, from the optional package kubernetes-validate.

The type table has no descriptions. Where the package is installed (the extra `explain`), its definitions of the nearest version
give them; where it is not, everything works but says nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

from apiserver.kinds.schemas import table


@lru_cache(maxsize=1)
def _definitions() -> dict[str, Any]:
    try:
        root = files("kubernetes_validate").joinpath("kubernetes-json-schema")
    except ModuleNotFoundError:
        return {}
    wanted = int(table()["kubernetes"].split(".")[1])
    found = {}
    for folder in root.iterdir():
        named = re.fullmatch(r"v1\.(\d+)\.\d+-local", folder.name)
        if named:
            found[abs(int(named[1]) - wanted)] = folder
    if not found:
        return {}
    read: dict[str, Any] = orjson.loads(found[min(found)].joinpath("_definitions.json").read_bytes())
    return read.get("$defs") or read.get("definitions") or {}


def are_there() -> bool:
    return bool(_definitions())


def describe(definition: str, field: str = "") -> str:
    """What a definition (by its published name), or a field of it, is for; "" where nobody says."""
    found = _definitions().get(definition, {})
    if field:
        found = found.get("properties", {}).get(field, {})
    text: str = found.get("description", "")
    return text
