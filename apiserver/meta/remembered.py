"""A bounded memory of what was found out about a text: the pods of a workload come with one and the same spec, again and again.

Keys are (who asks, the encoded part). Nothing here is ever wrong by being forgotten; when it is full, all of it is.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import orjson

T = TypeVar("T")

MAX_ENTRIES = 512
MAX_BYTES = 8192
"""Of an encoded part; larger ones hardly come twice."""


class Remembered(Generic[T]):
    """`key_of` gives None for a part that is not worth remembering."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[Hashable, bytes], T] = {}

    def __len__(self) -> int:
        return len(self._found)

    def key_of(self, asker: Hashable, part: Any) -> tuple[Hashable, bytes] | None:
        try:
            text = orjson.dumps(part)
        except TypeError:  # a number or a depth that JSON cannot say
            return None
        return (asker, text) if len(text) <= MAX_BYTES else None

    def find(self, key: tuple[Hashable, bytes] | None) -> T | None:
        return None if key is None else self._found.get(key)

    def keep(self, key: tuple[Hashable, bytes] | None, found: T) -> T:
        if key is not None:
            if len(self._found) >= MAX_ENTRIES:
                self._found.clear()
            self._found[key] = found
        return found
