"""Continue tokens: where a list in pages goes on, at the revision of its first page (the token's form is Kubernetes')."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import orjson

from apiserver.errors import StatusError, bad_request

VERSION = "meta.k8s.io/v1"


class Position(NamedTuple):
    """revision: of the first page, -1 = the newest (an inconsistent continuation); start: key below the prefix."""

    revision: int
    start: str


def encode_continue(position: Position) -> str:
    token = {"v": VERSION, "rv": position.revision, "start": position.start}
    return urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def decode_continue(text: str) -> Position:
    """Raises BadRequest for what no server of this kind gave out."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _invalid("continue key is not valid: illegal base64 data") from None
    try:
        token = orjson.loads(raw)
    except orjson.JSONDecodeError:
        first = raw.decode("utf-8", "replace")[:1]
        why = f"invalid character {first!r} looking for beginning of value" if raw else "unexpected end of JSON input"
        raise _invalid(f"continue key is not valid: {why}") from None
    if not isinstance(token, dict) or token.get("v") != VERSION:
        raise _invalid("continue key is not valid: server does not recognize this encoded version")
    revision, start = token.get("rv", 0), token.get("start", "")
    if type(revision) is not int or not revision or not -1 <= revision < 2**63:
        raise _invalid(f"continue key is not valid: incorrect encoded start resourceVersion (version {VERSION})")
    if not isinstance(start, str) or not start:
        raise _invalid(f"continue key is not valid: encoded start key empty (version {VERSION})")
    if any(part in ("", ".", "..") for part in start.split("/")):
        raise _invalid(f"continue key is not valid: {start}")
    return Position(revision, start)


def _invalid(why: str) -> StatusError:
    return bad_request(f"invalid continue token: {why}")
