"""How each message of Kubernetes' API is written in protobuf, from one generated table that is read when first needed.

`messages.json` is written by tools/build_messages.py: one message a line, named as the definitions of apiserver.kinds are
("core.v1.Pod"), each field by its name in JSON:

    "core.v1.Probe": {"probeHandler": "1 inline core.v1.ProbeHandler",
                      "initialDelaySeconds": "2 int32?",
                      "terminationGracePeriodSeconds": "7 int64"}

A field is its number and its type: a scalar (string, bytes, boolean, int32, int64, double), a special (quantity, time, microtime,
int-or-string, raw, wrapped, schema-or-…), the name of a message, `[T]`, or `{T}`, a map from text. `?`: Go writes the field
always, and its zero value means what absence means in JSON. `inline T`: T's fields stand in the same JSON object, but in a
message of their own on the wire; its JSON name means nothing. The file is not edited by hand.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import orjson


class WireField(NamedTuple):
    """name: in JSON; drops_zero: a zero on the wire is absence; inline: the type's fields stand in the same object."""

    name: str
    number: int
    type: str
    drops_zero: bool
    inline: bool


@lru_cache(maxsize=1)
def messages() -> dict[str, dict[str, str]]:
    """The table as it is written."""
    loaded: dict[str, dict[str, str]] = orjson.loads(
        files("apiserver.protobuf").joinpath("messages.json").read_bytes()
    )["messages"]
    return loaded


def has_message(name: str) -> bool:
    return name in messages()


def fields_of(name: str) -> tuple[WireField, ...]:
    """The fields of a message. Raises KeyError for one that is not in the table."""
    return tuple(_field(field, text) for field, text in messages()[name].items())


def _field(name: str, text: str) -> WireField:
    number, _, type_ = text.partition(" ")
    inline = type_.startswith("inline ")
    drops_zero = type_.endswith("?")
    return WireField(name, int(number), type_.removeprefix("inline ").removesuffix("?"), drops_zero, inline)
