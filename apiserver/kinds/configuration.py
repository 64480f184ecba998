"""Config maps, secrets and service accounts: data that pods are given.

Both kinds of data can be made immutable for good. A secret's `stringData` is write-only: it lands, encoded, in `data`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.volume_defaults import set_missing
from apiserver.meta import check_config_key, forbidden, immutable, invalid, required, shown, too_long

Object = dict[str, Any]

MAX_DATA_BYTES = 1024 * 1024

_IMMUTABLE_TEXT = "field is immutable when `immutable` is set"

# What the types that Kubernetes knows must hold.
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}


def default_secret(secret: Object) -> None:
    set_missing(secret, "type", "Opaque")
    texts = secret.pop("stringData", None)
    if texts:
        data = secret.setdefault("data", {})
        for key, text in texts.items():
            data[key] = b64encode(text.encode()).decode()


def _validate_keys(obj: Object, *fields: str) -> list[Cause]:
    return [
        invalid(f"{field}[{key}]", key, why)
        for field in fields
        for key in obj.get(field) or {}
        for why in check_config_key(key)
    ]


def _validate_config_map(config_map: Object) -> list[Cause]:
    causes = _validate_keys(config_map, "data", "binaryData")
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    causes += [
        invalid(f"data[{key}]", key, f"duplicate of key present in binaryData: {shown(key)}")
        for key in data
        if key in binary
    ]
    size_bytes = sum(len(text.encode()) for text in data.values()) + _decoded_bytes(binary)
    return [*causes, too_long("", MAX_DATA_BYTES)] if size_bytes > MAX_DATA_BYTES else causes


def _decoded_bytes(data: Object) -> int:
    return sum(len(b64decode(text)) for text in data.values())


def _validate_secret(secret: Object) -> list[Cause]:
    causes = _validate_keys(secret, "data")
    data, kind = secret.get("data") or {}, secret.get("type", "")
    if _decoded_bytes(data) > MAX_DATA_BYTES:
        causes.append(too_long("data", MAX_DATA_BYTES))
    causes += [required(f"data[{key}]") for key in _REQUIRED_KEYS.get(kind, ()) if key not in data]
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        causes += [required("data[username]"), required("data[password]")]
    if kind == "kubernetes.io/service-account-token":
        path = "metadata.annotations[kubernetes.io/service-account.name]"
        if not (secret["metadata"].get("annotations") or {}).get("kubernetes.io/service-account.name"):
            causes.append(required(path))
    return causes


def _validate_data_kept(obj: Object, old: Object, *fields: str) -> list[Cause]:
    if not old.get("immutable"):
        return []
    causes = [] if obj.get("immutable") else [forbidden("immutable", _IMMUTABLE_TEXT)]
    return causes + [forbidden(field, _IMMUTABLE_TEXT) for field in fields if obj.get(field) != old.get(field)]


def _validate_secret_update(secret: Object, old: Object) -> list[Cause]:
    kind = secret.get("type", "")
    causes = [] if kind == old.get("type", "") else [immutable("type", kind)]
    return causes + _validate_data_kept(secret, old, "data")


validate_config_map = validator(_validate_config_map)
validate_config_map_update = update_validator(lambda obj, old: _validate_data_kept(obj, old, "data", "binaryData"))
validate_secret = validator(_validate_secret)
validate_secret_update = update_validator(_validate_secret_update)
