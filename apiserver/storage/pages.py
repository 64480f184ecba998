"""Continue tokens: where a list in pages goes on, at the revision of its first page (the token's form is Kubernetes')."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import orjson

from apiserver.errors import bad_request

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
        token = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        version, revision, start = token["v"], token["rv"], token["start"]
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise bad_request("invalid continue token: continue key is not valid: it cannot be decoded") from None
    if version != VERSION or type(revision) is not int or abs(revision) >= 2**63 or not isinstance(start, str):
        raise bad_request("invalid continue token: continue key is not valid: unrecognized token")
    return Position(revision, start)
