"""The query parameter `timeout`: how long a request may take, in Go's way of writing durations ("30s", "1m30s", "500ms")."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.errors import bad_request
from apiserver.meta import parse_duration

REQUEST_TIMEOUT_S = 60.0
"""kube-apiserver's --request-timeout; then 504. A client may ask for less."""


def request_timeout_s(query: Mapping[str, str]) -> float:
    """Raises BadRequest."""
    text = query.get("timeout")
    if not text:
        return REQUEST_TIMEOUT_S
    seconds = parse_duration(text)
    if seconds is None:
        raise bad_request(f'invalid timeout specified in the request URL - time: invalid duration "{text}"')
    return min(seconds, REQUEST_TIMEOUT_S) if seconds > 0 else REQUEST_TIMEOUT_S
