"""Rules of single values that many kinds share: numbers, shares, addresses, paths, choices.

Each function takes a path and a value and returns the causes; an empty list means that it is good. Texts are Kubernetes'
(apimachinery util/validation, pkg/apis/core/validation).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from apiserver.errors import Cause
from apiserver.meta import (
    check_dns1123_label,
    check_dns1123_subdomain,
    check_label_value,
    check_port_name,
    check_qualified_name,
    forbidden,
    invalid,
    not_supported,
    parse_quantity,
    required,
)

Object = dict[str, Any]

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"
PORT_RANGE = "must be between 1 and 65535, inclusive"
ID_RANGE = "must be between 0 and 2147483647, inclusive"
MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
IP_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"

MAX_INT32 = 2**31 - 1

_PERCENT = re.compile("[0-9]+%")
_WILDCARD_DNS = re.compile(r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower "
    "case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for "
    r"validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def too_many(path: str, count: int, limit: int) -> Cause:
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", path)


def check_all(path: str, value: str, check: Callable[[str], list[str]]) -> list[Cause]:
    """What `check` finds wrong with the value, as causes at `path`."""
    problems = check(value)
    return [invalid(path, value, why) for why in problems] if problems else []


def needs(path: str, value: Any, check: Callable[[str], list[str]]) -> list[Cause]:
    """A required text with a form."""
    return check_all(path, value, check) if value else [required(path)]


def label_name(path: str, key: str) -> list[Cause]:
    return check_all(path, key, check_qualified_name)


def label_value(path: str, value: str) -> list[Cause]:
    return check_all(path, value, check_label_value)


def dns_label(path: str, value: str) -> list[Cause]:
    return check_all(path, value, check_dns1123_label)


def dns_subdomain(path: str, value: str) -> list[Cause]:
    return check_all(path, value, check_dns1123_subdomain)


def check_wildcard_dns(value: str) -> list[str]:
    problems = ["must be no more than 253 characters"] if len(value) > 253 else []
    return problems if _WILDCARD_DNS.fullmatch(value) else [*problems, _WILDCARD_TEXT]


def not_negative(path: str, value: int | None) -> list[Cause]:
    return [invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def port_number(path: str, number: int) -> list[Cause]:
    return [] if 1 <= number <= 65535 else [invalid(path, number, PORT_RANGE)]


def port(path: str, value: int | str) -> list[Cause]:
    """A number, or the name of a container's port."""
    return check_all(path, value, check_port_name) if isinstance(value, str) else port_number(path, value)


def choice(path: str, value: Any, choices: Iterable[str], *, optional: bool = False) -> list[Cause]:
    """One of the choices, in the order in which Kubernetes names them. An empty one is Required unless optional."""
    if value in (None, ""):
        return [] if optional else [required(path)]
    return [] if value in choices else [not_supported(path, value, choices)]


def share(path: str, value: int | str | None) -> list[Cause]:
    """A count that is not negative, or a percentage."""
    if value is None:
        return []
    if isinstance(value, str):
        return [] if _PERCENT.fullmatch(value) else [invalid(path, value, PERCENT)]
    return not_negative(path, value)


def at_most_all(path: str, value: int | str | None) -> list[Cause]:
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def share_number(value: int | str | None) -> int:
    """The number of a share that `share` found good, 0 of any other."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT.fullmatch(value) else 0
    return value or 0


def ip(path: str, text: str, *, special: bool = True) -> list[Cause]:
    """special=False: an address that traffic of other hosts can be sent to."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return [invalid(path, text, IP_TEXT)]
    if special:
        return []
    causes = []
    if address.is_unspecified:
        causes.append(invalid(path, text, f"may not be unspecified ({text})"))
    if address.is_loopback:
        causes.append(invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        causes.append(invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address.is_multicast and address in _LINK_LOCAL_MULTICAST[address.version]:
        causes.append(invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
    return causes


_LINK_LOCAL_MULTICAST: dict[int, Any] = {
    4: ipaddress.ip_network("224.0.0.0/24"),
    6: ipaddress.ip_network("ff02::/16"),
}


def cidr(path: str, text: str) -> list[Cause]:
    return [invalid(path, text, CIDR_TEXT)] if find_network(text) is None else []


def find_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Bits behind the prefix are allowed, as Go allows them; a prefix is not optional."""
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def quantity(path: str, amount: Any) -> list[Cause]:
    return [invalid(path, amount, NOT_NEGATIVE)] if parse_quantity(amount) < 0 else []


def positive_quantity(path: str, amount: Any) -> list[Cause]:
    return [invalid(path, amount, POSITIVE)] if parse_quantity(amount) <= 0 else []


def descending_path(path: str, text: str) -> list[Cause]:
    """A relative path that does not leave its directory."""
    causes = [invalid(path, text, "must be a relative path")] if text.startswith("/") else []
    return causes + no_backsteps(path, text)


def no_backsteps(path: str, text: str) -> list[Cause]:
    return [invalid(path, text, "must not contain '..'")] if ".." in text.split("/") else []


def file_path(path: str, text: str) -> list[Cause]:
    """A path inside a volume that is written by the node: two leading dots are the node's own."""
    causes = descending_path(path, text)
    if text.startswith("..") and not text.startswith("../") and text != "..":
        causes.append(invalid(path, text, "must not start with '..'"))
    return causes


def unchanged(path: str, new: Any, old: Any) -> list[Cause]:
    return [] if new == old else [invalid(path, new, "field is immutable")]


def frozen(path: str, new: Any, old: Any, why: str) -> list[Cause]:
    """Unchanged, and a change is Forbidden."""
    return [] if new == old else [forbidden(path, why)]
