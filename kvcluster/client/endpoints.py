"""Where a server is: "http://host:port", "https://host:port" or "host:port", one or many, or a comma list of them.

Unix sockets are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from kvcluster.errors import ConfigError

DEFAULT_PORT = 2379


class Endpoint(NamedTuple):
    """One address. `str()` is the form that users know: http://host:port."""

    host: str
    port: int
    is_tls: bool = False

    @property
    def authority(self) -> str:
        """host:port, IPv6 in brackets: the HTTP/2 :authority."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"


def parse_endpoints(endpoints: str | Sequence[str]) -> list[Endpoint]:
    """The endpoints in the order given, each once. Raises ConfigError, which names the one that cannot be used."""
    texts = [endpoints] if isinstance(endpoints, str) else list(endpoints)
    parts = [part.strip() for text in texts for part in text.split(",")]
    found = list(dict.fromkeys(_parse_endpoint(part) for part in parts if part))
    if not found:
        raise ConfigError("no endpoint given; expected http://host:port")
    return found


def _parse_endpoint(text: str) -> Endpoint:
    if "://" in text and not text.startswith(("http://", "https://")):
        raise ConfigError(f"endpoint {text}: only http://host:port and https://host:port are supported")
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port
    except ValueError as cause:
        raise ConfigError(f"endpoint {text}: {cause}") from cause
    if not host or url.path not in ("", "/") or url.query or url.fragment or url.username is not None or port == 0:
        raise ConfigError(f"endpoint {text}: expected http://host:port")
    return Endpoint(host, DEFAULT_PORT if port is None else port, url.scheme == "https")
