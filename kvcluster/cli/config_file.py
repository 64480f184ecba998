"""--config-file: etcd's YAML form. Keys are the flags' names; TLS has two sections of its own.

name: m0
listen-client-urls: https://127.0.0.1:2379
client-transport-security:
  cert-file: server.crt
  key-file: server.key
  client-cert-auth: true
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kvcluster.cli.flags import ALIASES, FLAGS, IGNORED, REFUSED, parse_value
from kvcluster.errors import ConfigError

_SECTIONS = {"client-transport-security": "", "peer-transport-security": "peer-"}
_IN_SECTION = ("cert-file", "key-file", "trusted-ca-file", "client-cert-auth", "crl-file", "auto-tls")


def read_config_file(path: str) -> tuple[dict[str, Any], list[str]]:
    """As flags.parse_flags, from a file. Raises ConfigError, which names the file and the key."""
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"--config-file: cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config-file: {path} is no YAML: {' '.join(str(error).split())}") from error
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(f"--config-file: {path} holds no keys and values")
    found: dict[str, Any] = {name: default for name, (default, _) in FLAGS.items()}
    ignored: list[str] = []
    for key, value in document.items():
        where = f"{path}: {key}"
        if key in _SECTIONS:
            found |= _read_section(where, key, value)
            continue
        name = ALIASES.get(key, key)
        if name in REFUSED:
            if value:
                raise ConfigError(f"{where}: {REFUSED[name]}")
        elif name in IGNORED:
            ignored.append(name)
        elif name in FLAGS and name != "config-file":
            found[name] = parse_value(where, name, _text(where, value))
        else:
            raise ConfigError(f"{where} is not known")
    return found, ignored


def _read_section(where: str, section: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: holds no keys and values")
    found = {}
    for key, inner in value.items():
        if key not in _IN_SECTION:
            raise ConfigError(f"{where}.{key} is not known")
        name = _SECTIONS[section] + key
        if name == "crl-file":
            name = "client-crl-file"
        found[name] = parse_value(f"{where}.{key}", name, _text(f"{where}.{key}", inner))
    return found


def _text(where: str, value: Any) -> str:
    """A scalar as a flag would have it; lists are joined by commas."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ",".join(map(str, value))
    if isinstance(value, str | int | float) or value is None:
        return "" if value is None else str(value)
    raise ConfigError(f"{where}: expected a single value, not {type(value).__name__}")
