"""What a request's head says, read from what aiohttp has parsed: a path, a query, headers by name.

A client sends the same headers again and again, and asks for the same things; what was understood is kept, within bounds, so the
usual head costs two look-ups in a dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

K = TypeVar("K")
V = TypeVar("V")

MAX_KNOWN = 1024
"""Header blocks, and targets, that are remembered; then all are forgotten."""
MAX_KNOWN_BYTES = 4096
MAX_PARAMETERS = 1000
_JOINED = ("accept", "accept-encoding")
_LISTS = ("impersonate-", "x-remote-")
"""Of these all that come count."""


class Headers(NamedTuple):
    """values: by lower-case name; see messages.Request for what came several times."""

    values: Mapping[str, str]
    accepts_gzip: bool
    expects_continue: bool


class Target(NamedTuple):
    """path: decoded; query: the first value of each name. Shared: nobody changes it."""

    path: str
    query: Mapping[str, str]


_known_headers: dict[tuple[tuple[bytes, bytes], ...], Headers] = {}
_known_targets: dict[str, Target] = {}


def read_headers(raw: tuple[tuple[bytes, bytes], ...]) -> Headers:
    found = _known_headers.get(raw)
    if found is None:
        found = _read_headers(raw)
        _remember(_known_headers, raw, found, sum(len(name) + len(value) for name, value in raw))
    return found


def read_target(raw: str) -> Target:
    """Raises ValueError for more parameters than anybody has."""
    found = _known_targets.get(raw)
    if found is None:
        found = _read_target(raw)
        _remember(_known_targets, raw, found, len(raw))
    return found


def _remember(known: dict[K, V], key: K, value: V, size: int) -> None:
    if size <= MAX_KNOWN_BYTES:
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[key] = value


def _read_target(raw: str) -> Target:
    text = raw.partition("#")[0]
    if not text.startswith("/"):
        scheme, separator, rest = text.partition("://")
        if separator and scheme.lower() in ("http", "https"):  # absolute form, as a proxy gets it
            text = "/" + rest.partition("/")[2]
    path, _, query_text = text.partition("?")
    query: dict[str, str] = {}
    if not query_text:
        return Target(unquote(path) if "%" in path else path, query)
    for name, value in parse_qsl(query_text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS):
        query.setdefault(name, value)
    return Target(unquote(path) if "%" in path else path, query)


def _read_headers(raw: tuple[tuple[bytes, bytes], ...]) -> Headers:
    values: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, text = raw_name.decode("utf-8", "replace").lower(), raw_value.decode("utf-8", "replace")
        if name in values:
            if name.startswith(_LISTS):
                text = f"{values[name]}\n{text}"  # no value can hold a newline
            elif name in _JOINED:
                text = f"{values[name]}, {text}"
        values[name] = text
    expects = values.get("expect", "").lower() == "100-continue"
    return Headers(values, _accepts_gzip(values.get("accept-encoding", "")), expects)


def _accepts_gzip(text: str) -> bool:
    for item in text.split(","):
        coding, _, parameter = item.partition(";")
        if coding.strip().lower() == "gzip":
            return parameter.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
