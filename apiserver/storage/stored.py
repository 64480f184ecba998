"""A stored object: its bytes, its revision, and what is made of them at most once.

Values are JSON without a resourceVersion: that is the key's mod_revision, and is spliced into the bytes on the way out, so
reading, listing and watching never encode an object. `obj` is decoded when somebody looks inside; nobody mutates it. Once
the bytes are spliced they alone are kept: a cache holds each object's text once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

import orjson

from apiserver.meta import deep_copy

_METADATA = b'"metadata":{'
_FIRST_FIELDS = ("kind", "apiVersion", "metadata")


def encode_value(obj: dict[str, Any]) -> bytes:
    """The value to store: kind, apiVersion and metadata first, no resourceVersion."""
    metadata = obj["metadata"]
    if "resourceVersion" in metadata:
        metadata = {key: value for key, value in metadata.items() if key != "resourceVersion"}
    ordered = {"kind": obj.get("kind", ""), "apiVersion": obj.get("apiVersion", ""), "metadata": metadata}
    ordered.update((key, value) for key, value in obj.items() if key not in _FIRST_FIELDS)
    return orjson.dumps(ordered)


MAX_DECODED = 20_000
"""Objects that are decoded at a time, in all caches together: decoded, one takes five times the memory of its text."""
_decoded: deque[Stored] = deque()
_NO_LABELS: dict[str, str] = {}


def _count_decoded(stored: Stored) -> None:
    """The one that was decoded first is text again when there are too many."""
    _decoded.append(stored)
    if len(_decoded) > MAX_DECODED:
        _decoded.popleft()._obj = None


class Stored:
    """`value`: the bytes as stored; `revision`: which becomes the resourceVersion; 0 = not stored (dry run), it has none."""

    __slots__ = ("key", "revision", "origin", "message", "_value", "_encoded", "_at", "_obj", "_labels", "_views")

    def __init__(self, key: bytes, value: bytes, revision: int, origin: Stored | None = None) -> None:
        self.key = key
        self.revision = revision
        self.origin = origin  # of a view: what is stored
        self.message: bytes | None = None  # in protobuf: for whoever encodes it first to leave here
        self._value: bytes | None = value
        self._encoded: bytes | None = None
        self._at = 0
        self._obj: dict[str, Any] | None = None
        self._labels: dict[str, str] | None = None
        self._views: dict[Hashable, Stored] | None = None

    @property
    def value(self) -> bytes:
        value = self._value
        if value is None:
            encoded, at = self._encoded, self._at
            assert encoded is not None
            spliced = len(self._version(encoded[at : at + 1]))
            begin = at - spliced
            value = encoded[:begin] + encoded[at:]
        return value

    def _version(self, following: bytes) -> bytes:
        """What is spliced in, in front of `following`."""
        return b'"resourceVersion":"%d"%b' % (self.revision, b"" if following == b"}" else b",")

    @property
    def size_bytes(self) -> int:
        """Of its text."""
        return len(self._encoded if self._encoded is not None else self._value or b"")

    @property
    def encoded(self) -> bytes:
        """The object as clients get it, with metadata.resourceVersion."""
        encoded = self._encoded
        if encoded is None:
            encoded = self._encoded = self._splice()
        return encoded

    def _splice(self) -> bytes:
        value = self._value
        assert value is not None
        if not self.revision:
            return value
        at = value.find(_METADATA)
        # Only the object's own metadata stands before any other brace; anything else is encoded anew.
        if at < 0 or value.count(b"{", 0, at) != 1:
            return orjson.dumps(self.obj)
        at += len(_METADATA)
        version = self._version(value[at : at + 1])
        self._at = at + len(version)
        self._value = None
        return b"".join((value[:at], version, value[at:]))

    @property
    def obj(self) -> dict[str, Any]:
        """The decoded object, with its resourceVersion. Shared: copy before changing."""
        obj = self._obj
        if obj is None:
            if self._value is None:
                obj = orjson.loads(self._encoded or b"")
            else:
                obj = orjson.loads(self._value)
                if self.revision:
                    obj.setdefault("metadata", {})["resourceVersion"] = str(self.revision)
            self._obj = obj
            _count_decoded(self)
        return obj

    @property
    def labels(self) -> dict[str, str]:
        """The object's labels: they stay when the object's own memory is given back, for every selector asks for them."""
        labels = self._labels
        if labels is None:
            labels = self._labels = self.obj["metadata"].get("labels") or _NO_LABELS
        return labels

    def keep(self, obj: dict[str, Any]) -> None:
        """`obj` is what the value says, and nobody changes it any more: it need not be decoded."""
        obj["metadata"]["resourceVersion"] = str(self.revision)
        self._obj = obj
        _count_decoded(self)

    def slim(self) -> None:
        """Gives back all but the text: a state that is over is hardly ever looked into again, and thousands are kept."""
        self._obj = None
        self._views = None
        self.message = None

    def view(self, key: Hashable, convert: Callable[[dict[str, Any]], dict[str, Any]]) -> Stored:
        """The same state in another version, converted once. key: which; convert: private copy → whole object."""
        views = self._views
        if views is None:
            views = self._views = {}
        found = views.get(key)
        if found is None:
            value = encode_value(convert(deep_copy(self.obj)))
            # A version that leaves everything as it is (that of a custom resource, mostly) is no second object.
            found = views[key] = self if value == self.value else Stored(self.key, value, self.revision, self)
        return found

    def forget_views(self) -> None:
        self._views = None

    def at(self, revision: int) -> Stored:
        """The same state under another revision: a deleted object carries the revision of its deletion."""
        return Stored(self.key, self.value, revision)
