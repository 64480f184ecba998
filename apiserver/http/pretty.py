"""JSON for people: indented where `?pretty=true` asks for it, and for curl, wget and browsers unless they say `?pretty=false`."""

from __future__ import annotations

import orjson

from apiserver.http.messages import JSON, Request, Response

_PEOPLE = ("curl", "Wget", "Mozilla/5.0")
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
MAX_PRETTY_BYTES = 16 * 1024 * 1024
"""A longer answer goes as it is: nobody reads it."""


def wants_pretty(request: Request) -> bool:
    said = request.query.get("pretty")
    if said:
        return said in _TRUE
    return request.headers.get("user-agent", "").startswith(_PEOPLE)


def prettified(response: Response) -> Response:
    """The same answer, indented, if it is JSON and whole."""
    if response.stream is not None or response.headers.get("Content-Type") != JSON:
        return response
    body = response.whole_body
    if not body or len(body) > MAX_PRETTY_BYTES:
        return response
    return response._replace(body=orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2), rest=b"")
