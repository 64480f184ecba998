"""The query parameter `timeout`: how long a request may take, in Go's way of writing durations ("30s", "1m30s", "500ms")."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apiserver.errors import bad_request

REQUEST_TIMEOUT_S = 60.0
"""kube-apiserver's --request-timeout; then 504. A client may ask for less."""

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float | None:
    """Seconds; None for what is no duration."""
    if text.lstrip("+-") == "0":
        return 0.0
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    parts = list(_PART.finditer(rest))
    if not parts or "".join(part.group() for part in parts) != rest:
        return None
    return sign * sum(float(part.group(1)) * _UNITS_S[part.group(2)] for part in parts)


def request_timeout_s(query: Mapping[str, str]) -> float:
    """Raises BadRequest."""
    text = query.get("timeout")
    if not text:
        return REQUEST_TIMEOUT_S
    seconds = parse_duration(text)
    if seconds is None:
        raise bad_request(f'invalid timeout specified in the request URL - time: invalid duration "{text}"')
    return min(seconds, REQUEST_TIMEOUT_S) if seconds > 0 else REQUEST_TIMEOUT_S
