"""A stored object: its bytes, its revision, and what is made of them at most once.

Values are JSON without a resourceVersion: that is the key's mod_revision, and is spliced into the bytes on the way out, so
reading, listing and watching never encode an object. `obj` is decoded when somebody looks inside; nobody mutates it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import orjson

from apiserver.meta import deep_copy

_METADATA = b'"metadata":{'
_FIRST_FIELDS = ("kind", "apiVersion", "metadata")


def encode_value(obj: dict[str, Any]) -> bytes:
    """The value to store: kind, apiVersion and metadata first, no resourceVersion."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    ordered = {"kind": obj.get("kind", ""), "apiVersion": obj.get("apiVersion", ""), "metadata": metadata}
    ordered.update((key, value) for key, value in obj.items() if key not in _FIRST_FIELDS)
    return orjson.dumps(ordered)


class Stored:
    """`value`: the bytes as stored; `revision`: which becomes the resourceVersion; 0 = not stored (dry run), it has none."""

    __slots__ = ("key", "value", "revision", "origin", "_encoded", "_obj", "_views")

    def __init__(self, key: bytes, value: bytes, revision: int, origin: Stored | None = None) -> None:
        self.key = key
        self.value = value
        self.revision = revision
        self.origin = origin  # of a view: what is stored
        self._encoded: bytes | None = None
        self._obj: dict[str, Any] | None = None
        self._views: dict[Hashable, Stored] | None = None

    @property
    def encoded(self) -> bytes:
        """The object as clients get it, with metadata.resourceVersion."""
        encoded = self._encoded
        if encoded is None:
            encoded = self._encoded = self._splice()
        return encoded

    def _splice(self) -> bytes:
        value = self.value
        if not self.revision:
            return value
        at = value.find(_METADATA)
        # Only the object's own metadata stands before any other brace; anything else is encoded anew.
        if at < 0 or value.count(b"{", 0, at) != 1:
            return orjson.dumps(self.obj)
        at += len(_METADATA)
        comma = b"" if value[at : at + 1] == b"}" else b","
        return b"".join((value[:at], b'"resourceVersion":"%d"' % self.revision, comma, value[at:]))

    @property
    def obj(self) -> dict[str, Any]:
        """The decoded object, with its resourceVersion. Shared: copy before changing."""
        obj = self._obj
        if obj is None:
            obj = orjson.loads(self.value)
            if self.revision:
                obj.setdefault("metadata", {})["resourceVersion"] = str(self.revision)
            self._obj = obj
        return obj

    def view(self, key: Hashable, convert: Callable[[dict[str, Any]], dict[str, Any]]) -> Stored:
        """The same state in another version, converted once. key: which; convert: private copy → whole object."""
        views = self._views
        if views is None:
            views = self._views = {}
        found = views.get(key)
        if found is None:
            found = views[key] = Stored(self.key, encode_value(convert(deep_copy(self.obj))), self.revision, self)
        return found

    def at(self, revision: int) -> Stored:
        """The same state under another revision: a deleted object carries the revision of its deletion."""
        return Stored(self.key, self.value, revision)
