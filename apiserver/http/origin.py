"""Web pages are kept out of an API server that lets everybody do everything.

Such a server listens on a loopback address, but the browsers of this machine reach it too, with whatever page they show. A page
of another site says so (Origin); one whose name was made to point here gives its own name as the Host (DNS rebinding). No client
of Kubernetes sends the one, and none needs the other: addresses, localhost and names of a local network are taken.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from apiserver.errors import StatusError

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".svc", ".test", ".localdomain", ".lan")


def check_origin(headers: Mapping[str, str]) -> None:
    """Raises Forbidden for the request of a page that is not this server's own."""
    host = headers.get("host", "")
    origin = headers.get("origin", "")
    if origin and not _is_of_this_machine(origin, host):
        raise _refused(f"a page of {origin[:100]}")
    if not _is_local(host):
        raise _refused(f"the name {host[:100]}")


def _refused(what: str) -> StatusError:
    text = f"forbidden: this API server lets everybody do everything, so requests by {what} are not taken"
    return StatusError(403, "Forbidden", text, {})


def _is_of_this_machine(origin: str, host: str) -> bool:
    """Our own pages, and those of other servers here: `kubectl proxy`, a dashboard that somebody works on."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
    except ValueError:
        return False
    if parts.netloc == host or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _is_local(host: str) -> bool:
    """Of a Host header: an address, or a name that no public server has."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").rstrip(".").lower()
    if "." not in name and ":" not in name:
        return True
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return name.endswith(LOCAL_SUFFIXES)
