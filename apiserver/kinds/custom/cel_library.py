"""The functions that Kubernetes adds to CEL, as extensions of cel-expr-python (the optional extra `cel`).

A quantity, an IP address, a CIDR, a URL and a semantic version are their texts here: the binding cannot carry a Python
object through an expression. Their methods have names of their own, so nothing else changes for a rule that means one of
them; comparing two with == compares the canonical texts.

Not there: format.*, authorizer, and the macros over two variables, which the binding lacks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from apiserver.meta import canonical_quantity, format_quantity, parse_quantity
from apiserver.meta.structural import compile_finder, same

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
MAX_RANGE = 10_000


def _answers(check: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Whether `check` finds nothing wrong."""

    def ask(value: Any) -> bool:
        try:
            check(value)
        except ValueError:
            return False
        return True

    return ask


# Lists --------------------------------------------------------------------------------------------------------------


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at, item in enumerate(items) if same(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at in range(len(items) - 1, -1, -1) if same(items[at], wanted)), -1)


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(same(item, other) for other in found):
            found.append(item)
    return found


def _slice(items: list[Any], begin: int, end: int) -> list[Any]:
    if not 0 <= begin <= end <= len(items):
        raise ValueError(f"cannot slice({begin}, {end}), list is length {len(items)}")
    return list(items[begin:end])


def _flatten(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _range(count: int) -> list[int]:
    if count > MAX_RANGE:
        raise ValueError(f"lists.range is bounded to {MAX_RANGE}")
    return list(range(count))


def _least(items: list[Any]) -> Any:
    if not items:
        raise ValueError("min called on empty list")
    return min(items)


def _greatest(items: list[Any]) -> Any:
    if not items:
        raise ValueError("max called on empty list")
    return max(items)


def _contains_all(items: list[Any], wanted: list[Any]) -> bool:
    return all(any(same(each, item) for item in items) for each in wanted)


def _intersects(left: list[Any], right: list[Any]) -> bool:
    return any(same(each, item) for each in left for item in right)


# Texts --------------------------------------------------------------------------------------------------------------


def _find(text: str, pattern: str) -> str:
    found = compile_finder(pattern).search(text)
    return found.group(0) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group(0) for match in compile_finder(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not text.startswith("/") and not parts.scheme:
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    parts.port  # noqa: B018 - raises ValueError for what is no number
    return text


def _host(text: str) -> str:
    return urlsplit(text).netloc.rpartition("@")[2]


def _hostname(text: str) -> str:
    name = urlsplit(text).hostname or ""
    return f"{name}"


# Quantities and versions --------------------------------------------------------------------------------------------


def _version_key(text: str) -> tuple[Any, ...]:
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError(f"No Major.Minor.Patch elements found: {text}")
    before = found.group(4)
    parts = (
        tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in before.split(".")) if before else ()
    )
    return (*(int(found.group(at)) for at in (1, 2, 3)), before is None, parts)


def _semver(text: str) -> str:
    _version_key(text)
    return text


def _order_key(text: str) -> tuple[Any, ...]:
    """Of a quantity or of a version; the two do not look alike."""
    return _version_key(text) if _SEMVER.fullmatch(text) else (parse_quantity(text),)


def _compare(left: str, right: str) -> int:
    first, second = _order_key(left), _order_key(right)
    return (first > second) - (first < second)


def _add(left: str, right: Any, sign: int = 1) -> str:
    total = parse_quantity(left) + sign * parse_quantity(right if isinstance(right, str) else int(right))
    family = "BinarySI" if re.search("[KMGTPE]i$", left) else "DecimalSI"
    return format_quantity(total, family)


def _as_integer(text: str) -> int:
    value = parse_quantity(text)
    if value != int(value):
        raise ValueError("cannot convert value to integer")
    return int(value)


def _is_integer(text: str) -> bool:
    value = parse_quantity(text)
    return value == int(value)


# Addresses ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if "%" in text:
        raise ValueError(f'IP address "{text}" with zone value is not allowed')
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if "/" not in text:
        raise ValueError(f'network address parse error during conversion from string: no "/" in "{text}"')
    return ipaddress.ip_network(text, strict=False)


def _contains_cidr(outer: str, inner: str) -> bool:
    first, second = _network(outer), _network(inner)
    return first.version == second.version and second.subnet_of(first)  # type: ignore[arg-type]


def _contains_ip(network: str, address: str) -> bool:
    return _address(address) in _network(network)


def _is_link_local_multicast(text: str) -> bool:
    found = _address(text)
    return found in ipaddress.ip_network("224.0.0.0/24") or found in ipaddress.ip_network("ff02::/16")


def _is_global_unicast(text: str) -> bool:
    found = _address(text)
    return not (
        found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local
        or text == "255.255.255.255"
    )  # fmt: skip


# name, how it is called (f: function, m: method of its first argument), result, arguments, what it does. A type is a letter:
# s text, b bool, i integer, d double, l list, m map, * anything.
_FUNCTIONS: tuple[tuple[str, str, str, str, Callable[..., Any]], ...] = (
    (
        "isSorted",
        "m",
        "b",
        "l",
        lambda items: all(left <= right for left, right in zip(items, items[1:], strict=False)),
    ),
    ("sum", "m", "*", "l", sum),
    ("min", "m", "*", "l", _least),
    ("max", "m", "*", "l", _greatest),
    ("indexOf", "m", "i", "l*", _index_of),
    ("lastIndexOf", "m", "i", "l*", _last_index_of),
    ("distinct", "m", "l", "l", _distinct),
    ("slice", "m", "l", "lii", _slice),
    ("sort", "m", "l", "l", sorted),
    ("flatten", "m", "l", "l", _flatten),
    ("lists.range", "f", "l", "i", _range),
    ("sets.contains", "f", "b", "ll", _contains_all),
    ("sets.equivalent", "f", "b", "ll", lambda one, two: _contains_all(one, two) and _contains_all(two, one)),
    ("sets.intersects", "f", "b", "ll", _intersects),
    ("find", "m", "s", "ss", _find),
    ("findAll", "m", "l", "ss", _find_all),
    ("findAll", "m", "l", "ssi", _find_all),
    ("isURL", "f", "b", "s", _answers(_url)),
    ("url", "f", "s", "s", _url),
    ("getScheme", "m", "s", "s", lambda text: urlsplit(text).scheme),
    ("getHost", "m", "s", "s", _host),
    ("getHostname", "m", "s", "s", _hostname),
    ("getPort", "m", "s", "s", lambda text: str(urlsplit(text).port or "")),
    ("getEscapedPath", "m", "s", "s", lambda text: urlsplit(text).path),
    ("getQuery", "m", "m", "s", lambda text: parse_qs(urlsplit(text).query, keep_blank_values=True)),
    ("isQuantity", "f", "b", "s", _answers(parse_quantity)),
    ("quantity", "f", "s", "s", canonical_quantity),
    ("isInteger", "m", "b", "s", _is_integer),
    ("asInteger", "m", "i", "s", _as_integer),
    ("asApproximateFloat", "m", "d", "s", lambda text: float(parse_quantity(text))),
    ("sign", "m", "i", "s", lambda text: _compare(text, "0")),
    ("add", "m", "s", "ss", _add),
    ("add", "m", "s", "si", _add),
    ("sub", "m", "s", "ss", lambda left, right: _add(left, right, -1)),
    ("sub", "m", "s", "si", lambda left, right: _add(left, right, -1)),
    ("compareTo", "m", "i", "ss", _compare),
    ("isLessThan", "m", "b", "ss", lambda left, right: _compare(left, right) < 0),
    ("isGreaterThan", "m", "b", "ss", lambda left, right: _compare(left, right) > 0),
    ("isSemver", "f", "b", "s", _answers(_semver)),
    ("semver", "f", "s", "s", _semver),
    ("major", "m", "i", "s", lambda text: _version_key(text)[0]),
    ("minor", "m", "i", "s", lambda text: _version_key(text)[1]),
    ("patch", "m", "i", "s", lambda text: _version_key(text)[2]),
    ("isIP", "f", "b", "s", _answers(_address)),
    ("ip", "f", "s", "s", lambda text: str(_address(text))),
    ("ip.isCanonical", "f", "b", "s", lambda text: str(_address(text)) == text),
    ("family", "m", "i", "s", lambda text: _address(text).version),
    ("isUnspecified", "m", "b", "s", lambda text: _address(text).is_unspecified),
    ("isLoopback", "m", "b", "s", lambda text: _address(text).is_loopback),
    ("isLinkLocalUnicast", "m", "b", "s", lambda text: _address(text).is_link_local),
    ("isLinkLocalMulticast", "m", "b", "s", _is_link_local_multicast),
    ("isGlobalUnicast", "m", "b", "s", _is_global_unicast),
    ("isCIDR", "f", "b", "s", _answers(_network)),
    ("cidr", "f", "s", "s", lambda text: (_network(text), text)[1]),
    ("containsIP", "m", "b", "ss", _contains_ip),
    ("containsCIDR", "m", "b", "ss", _contains_cidr),
    ("ip", "m", "s", "s", lambda text: str(ipaddress.ip_interface(text).ip)),
    ("masked", "m", "s", "s", lambda text: str(_network(text))),
    ("prefixLength", "m", "i", "s", lambda text: _network(text).prefixlen),
)


def build_extension(cel: Any) -> Any:
    """cel: the module of the binding."""
    types = {
        "s": cel.Type.STRING,
        "b": cel.Type.BOOL,
        "i": cel.Type.INT,
        "d": cel.Type.DOUBLE,
        "l": cel.Type.List(cel.Type.DYN),
        "m": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
        "*": cel.Type.DYN,
    }
    overloads: dict[str, list[Any]] = {}
    for name, how, result, arguments, impl in _FUNCTIONS:
        id = f"kubernetes_{name.replace('.', '_')}_{how}_{arguments.replace('*', 'any')}"
        made = cel.Overload(id, types[result], [types[each] for each in arguments], is_member=how == "m", impl=impl)
        overloads.setdefault(name, []).append(made)
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, found) for name, found in overloads.items()])
