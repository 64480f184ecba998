"""What may be a name, a label, an annotation key; and how a name is generated.

Each `check_*` function returns the list of what is wrong, in Kubernetes' words (apimachinery util/validation); an
empty list means that it is good. They know values, not fields: who calls them says where the value stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no lookalikes: a random name spells no word
RANDOM_CHARS = 5
MAX_GENERATED_BASE = 58  # 63 - RANDOM_CHARS

MAX_LABEL = 63
MAX_SUBDOMAIN = 253
MAX_ANNOTATIONS_BYTES = 256 * 1024

_DNS1123_LABEL_TEXT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS1123_SUBDOMAIN_TEXT = rf"{_DNS1123_LABEL_TEXT}(\.{_DNS1123_LABEL_TEXT})*"
_DNS1035_LABEL_TEXT = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED_TEXT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE_TEXT = f"({_QUALIFIED_TEXT})?"
_CONFIG_KEY_TEXT = "[-._a-zA-Z0-9]+"
_PORT_NAME_TEXT = "[-a-z0-9]+"

_DNS1123_LABEL = re.compile(_DNS1123_LABEL_TEXT)
_DNS1123_SUBDOMAIN = re.compile(_DNS1123_SUBDOMAIN_TEXT)
_DNS1035_LABEL = re.compile(_DNS1035_LABEL_TEXT)
_QUALIFIED = re.compile(_QUALIFIED_TEXT)
_LABEL_VALUE = re.compile(_LABEL_VALUE_TEXT)
_CONFIG_KEY = re.compile(_CONFIG_KEY_TEXT)
_PORT_NAME = re.compile(_PORT_NAME_TEXT)
_ENV_NAME = re.compile(r"[ -<>-~]+")


def generate_name(base: str, choose: Callable[[str], str]) -> str:
    """`base`, cut to 58 characters, with five random ones. `choose` picks one of a text: `random.Random(seed).choice`."""
    return base[:MAX_GENERATED_BASE] + "".join(choose(NAME_ALPHABET) for _ in range(RANDOM_CHARS))


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _shape(what: str, pattern: str, *examples: str) -> str:
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{what} (e.g. {shown}, regex used for validation is '{pattern}')"


_LABEL_SHAPE = _shape(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character",
    _DNS1123_LABEL_TEXT,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_SHAPE = _shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character",
    _DNS1123_SUBDOMAIN_TEXT,
    "example.com",
)
_DNS1035_SHAPE = _shape(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    _DNS1035_LABEL_TEXT,
    "my-name",
    "abc-123",
)
_QUALIFIED_SHAPE = _shape(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED_TEXT,
    "MyName",
    "my.name",
    "123-abc",
)
_LABEL_VALUE_SHAPE = _shape(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character",
    _LABEL_VALUE_TEXT,
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_SHAPE = _shape(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY_TEXT,
    "key.name",
    "KEY_NAME",
    "key-name",
)


def check_dns1123_label(value: str) -> list[str]:
    """Names of namespaces, containers, volumes."""
    if len(value) <= MAX_LABEL and _DNS1123_LABEL.fullmatch(value):
        return []
    problems = [_too_long(MAX_LABEL)] if len(value) > MAX_LABEL else []
    if not _DNS1123_LABEL.fullmatch(value):
        problems.append(_LABEL_SHAPE)
    return problems


def check_dns1123_subdomain(value: str) -> list[str]:
    """Names of most objects."""
    if len(value) <= MAX_SUBDOMAIN and _DNS1123_SUBDOMAIN.fullmatch(value):
        return []
    problems = [_too_long(MAX_SUBDOMAIN)] if len(value) > MAX_SUBDOMAIN else []
    if not _DNS1123_SUBDOMAIN.fullmatch(value):
        problems.append(_SUBDOMAIN_SHAPE)
    return problems


def check_dns1035_label(value: str) -> list[str]:
    problems = [_too_long(MAX_LABEL)] if len(value) > MAX_LABEL else []
    if not _DNS1035_LABEL.fullmatch(value):
        problems.append(_DNS1035_SHAPE)
    return problems


_QUALIFIED_WHOLE = re.compile(f"(?:({_DNS1123_SUBDOMAIN_TEXT})/)?({_QUALIFIED_TEXT})")
_REMEMBERED_CHARS = MAX_SUBDOMAIN + 1 + MAX_LABEL


@lru_cache(maxsize=4096)
def _is_qualified(value: str) -> bool:
    """Keys come again and again: the answer for the good ones is remembered."""
    prefix, _, name = value.rpartition("/")
    return bool(_QUALIFIED_WHOLE.fullmatch(value)) and len(prefix) <= MAX_SUBDOMAIN and len(name) <= MAX_LABEL


def check_qualified_name(value: str) -> list[str]:
    """Label and annotation keys, taint keys, finalizers: "name" or "prefix/name"."""
    if len(value) <= _REMEMBERED_CHARS and _is_qualified(value):
        return []
    prefix, slash, name = value.rpartition("/")
    problems = []
    if "/" in prefix:
        return [
            "a qualified name "
            + _QUALIFIED_SHAPE
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash:
        if not prefix:
            problems.append("prefix part must be non-empty")
        else:
            problems.extend(f"prefix part {text}" for text in check_dns1123_subdomain(prefix))
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > MAX_LABEL:
        problems.append(f"name part {_too_long(MAX_LABEL)}")
    if not _QUALIFIED.fullmatch(name):
        problems.append(f"name part {_QUALIFIED_SHAPE}")
    return problems


def check_label_value(value: str) -> list[str]:
    if len(value) <= MAX_LABEL and _LABEL_VALUE.fullmatch(value):
        return []
    problems = [_too_long(MAX_LABEL)] if len(value) > MAX_LABEL else []
    if not _LABEL_VALUE.fullmatch(value):
        problems.append(_LABEL_VALUE_SHAPE)
    return problems


def check_config_key(value: str) -> list[str]:
    """Keys of ConfigMap and Secret data: they become file names."""
    problems = [_too_long(MAX_SUBDOMAIN)] if len(value) > MAX_SUBDOMAIN else []
    if not _CONFIG_KEY.fullmatch(value):
        problems.append(_CONFIG_KEY_SHAPE)
    if value == ".":
        problems.append("must not be '.'")
    elif value == "..":
        problems.append("must not be '..'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def check_env_name(value: str) -> list[str]:
    """Names of environment variables: printable ASCII without '='."""
    if _ENV_NAME.fullmatch(value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def check_port_name(value: str) -> list[str]:
    """IANA service names (RFC 6335), for names of container ports."""
    problems = ["must be no more than 15 characters"] if len(value) > 15 else []
    if not _PORT_NAME.fullmatch(value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= char <= "z" for char in value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems
