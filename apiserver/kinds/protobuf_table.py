"""The served kinds as protobuf messages: what number and type each field has.

`protobuf.json` is written by tools/build_schemas.py, one message a line, named as in schemas.json ("core.v1.Pod",
"runtime.Unknown"). A field is [number, type] or [number, type, how]; types are written as in schemas.json:

    "core.v1.Volume": {"name": [1, "string"], "volumeSource": [2, "core.v1.VolumeSource", 1]}

The name is the field's in JSON. Of `how`:

    1 (INLINE)   the message has no field of its own in JSON: its fields stand among those of its parent
    2 (VALUE)    in JSON the field is the whole message; where a message has two of them, one at a time

time, microtime, quantity, int-or-string and raw are messages of their own, always the same:

    time, microtime  {1: int64 seconds, 2: int32 nanos}      int-or-string  {1: int64 type (0 int, 1 text), 2: int32, 3: string}
    quantity         {1: string}                             raw            {1: bytes, JSON}

Kubernetes' messages are proto2: whether a scalar is there is a fact of its own.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

INLINE, VALUE = 1, 2


@lru_cache(maxsize=1)
def messages() -> dict[str, dict[str, list[Any]]]:
    """{message: {field: [number, type, how]}}"""
    loaded: dict[str, dict[str, list[Any]]] = orjson.loads(
        files("apiserver.kinds").joinpath("protobuf.json").read_bytes()
    )["messages"]
    return loaded
