"""Config maps, secrets, and the objects that limit a namespace: quotas and limit ranges.

Data can be made immutable for good. A secret of a type that Kubernetes knows must hold what the type promises.
"""

from __future__ import annotations

from base64 import b64decode

import orjson

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.resources import quota_resource_name, resource_amount, resource_name
from apiserver.kinds.validation.values import Object, label_name, unchanged
from apiserver.meta import (
    check_config_key,
    duplicate,
    forbidden,
    invalid,
    parse_quantity,
    required,
    shown,
    too_long,
)

MAX_DATA_BYTES = 1024 * 1024

_IMMUTABLE_TEXT = "field is immutable when `immutable` is set"
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_JSON_KEYS = (".dockercfg", ".dockerconfigjson")
_ACCOUNT = "kubernetes.io/service-account.name"


def _keys(obj: Object, *fields: str) -> list[Cause]:
    return [
        invalid(f"{field}[{key}]", key, why)
        for field in fields
        for key in obj.get(field) or {}
        for why in check_config_key(key)
    ]


def _config_map(config_map: Object) -> list[Cause]:
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    causes = _keys(config_map, "data")
    causes += [
        invalid(f"data[{key}]", key, f"duplicate of key present in binaryData: {shown(key)}")
        for key in data
        if key in binary
    ]
    causes += _keys(config_map, "binaryData")
    size_bytes = sum(len(text.encode()) for text in data.values()) + _decoded_bytes(binary)
    return [*causes, too_long("", MAX_DATA_BYTES)] if size_bytes > MAX_DATA_BYTES else causes


def _decoded_bytes(data: Object) -> int:
    return sum(len(b64decode(text)) for text in data.values() if text)


def _secret(secret: Object) -> list[Cause]:
    causes = _keys(secret, "data")
    data, kind = secret.get("data") or {}, secret.get("type", "")
    if _decoded_bytes(data) > MAX_DATA_BYTES:
        causes.append(too_long("data", MAX_DATA_BYTES))
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            causes.append(required(f"data[{key}]"))
        elif key in _JSON_KEYS:
            causes += _registry_logins(data[key] or "", f"data[{key}]")
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        causes.append(required("data[ssh-privatekey]"))
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        causes += [required("data[username]"), required("data[password]")]
    annotations = secret["metadata"].get("annotations") or {}
    if kind == "kubernetes.io/service-account-token" and not annotations.get(_ACCOUNT):
        causes.append(required(f"metadata.annotations[{_ACCOUNT}]"))
    return causes


def _registry_logins(encoded: str, path: str) -> list[Cause]:
    """JSON; what is wrong with it is told without what it says."""
    raw = b64decode(encoded)
    try:
        if isinstance(orjson.loads(raw), dict | None):
            return []
        why = "json: cannot unmarshal into Go value of type map[string]interface {}"
    except orjson.JSONDecodeError:
        why = "unexpected end of JSON input" if not raw.strip() else "invalid character looking for beginning of value"
    return [invalid(path, "<secret contents redacted>", why)]


def _data_kept(obj: Object, old: Object, *fields: str) -> list[Cause]:
    if not old.get("immutable"):
        return []
    causes = [] if obj.get("immutable") else [forbidden("immutable", _IMMUTABLE_TEXT)]
    return causes + [
        forbidden(field, _IMMUTABLE_TEXT) for field in fields if (obj.get(field) or {}) != (old.get(field) or {})
    ]


def _secret_change(secret: Object, old: Object) -> list[Cause]:
    causes = unchanged("type", secret.get("type", ""), old.get("type", ""))
    return causes + _data_kept(secret, old, "data")


# Quotas -------------------------------------------------------------------------------------------------------------

_SCOPES = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


def _quota(quota: Object) -> list[Cause]:
    spec = quota.get("spec") or {}
    causes: list[Cause] = []
    for name, amount in (spec.get("hard") or {}).items():
        where = f"spec.hard[{name}]"
        causes += quota_resource_name(where, name)
        causes += resource_amount(where, name, amount)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES and scope != "VolumeAttributesClass":
            causes.append(invalid("spec.scopes", scope, "unsupported scope"))
    for pair in _OPPOSITES:
        if all(scope in scopes for scope in pair):
            causes.append(invalid("spec.scopes", scopes, "conflicting scopes"))
    for expression in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        where = "spec.scopeSelector.matchExpressions"
        operator, values = expression.get("operator", ""), expression.get("values") or []
        name = expression.get("scopeName", "")
        if name not in _SCOPES and name != "VolumeAttributesClass":
            causes.append(invalid(f"{where}.scopeName", name, "unsupported scope"))
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                causes.append(required(f"{where}.values", why))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                causes.append(invalid(f"{where}.values", values, why))
        else:
            causes.append(invalid(f"{where}.operator", operator, "not a valid selector operator"))
    return causes


def _quota_change(quota: Object, old: Object) -> list[Cause]:
    scopes, before = (quota.get("spec") or {}).get("scopes") or [], (old.get("spec") or {}).get("scopes") or []
    return [] if sorted(scopes) == sorted(before) else [invalid("spec.scopes", scopes, "field is immutable")]


# Limit ranges -------------------------------------------------------------------------------------------------------

_LIMITED = ("Container", "PersistentVolumeClaim", "Pod")
# (the smaller, the larger, what is said when it is not so)
_ORDER = (
    ("min", "max", "min", "min value {0} is greater than max value {1}"),
    ("min", "defaultRequest", "defaultRequest", "min value {0} is greater than default request value {1}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {0} is greater than max value {1}"),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {0} is greater than default limit value {1}",
    ),
    ("min", "default", "default", "min value {0} is greater than default value {1}"),
    ("default", "max", "default", "default value {0} is greater than max value {1}"),
)


def _limit_range(limit_range: Object) -> list[Cause]:
    causes: list[Cause] = []
    kinds: list[str] = []
    for index, limit in enumerate((limit_range.get("spec") or {}).get("limits") or ()):
        where, kind = f"spec.limits[{index}]", limit.get("type", "")
        if not kind:
            causes.append(required(f"{where}.type"))
        elif "/" in kind:
            causes += label_name(f"{where}.type", kind)
        elif kind not in _LIMITED:
            causes.append(invalid(f"{where}.type", kind, "must be a standard limit type or fully qualified"))
        if kind in kinds:
            causes.append(duplicate(f"{where}.type", kind))
        kinds.append(kind)
        causes += _limit(limit, where, kind)
    return causes


def _limit(limit: Object, path: str, kind: str) -> list[Cause]:
    amounts = {
        field: limit.get(field) or {} for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    }
    causes: list[Cause] = []
    for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        if kind == "Pod" and field in ("default", "defaultRequest"):
            if amounts[field]:
                causes.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            continue
        for name in amounts[field]:
            causes += resource_name(f"{path}.{field}[{name}]", name)
    if kind == "PersistentVolumeClaim" and "storage" not in {**amounts["min"], **amounts["max"]}:
        why = "either minimum or maximum storage value is required, but neither was provided"
        causes.append(required(f"{path}.limits", why))
    for name in dict.fromkeys(name for field in amounts.values() for name in field):
        for small, large, field, text in _ORDER:
            if name in amounts[small] and name in amounts[large]:
                low, high = amounts[small][name], amounts[large][name]
                if parse_quantity(low) > parse_quantity(high):
                    causes.append(invalid(f"{path}.{field}[{name}]", amounts[field][name], text.format(low, high)))
        ratio = amounts["maxLimitRequestRatio"].get(name)
        if ratio is not None and parse_quantity(ratio) < 1:
            causes.append(invalid(f"{path}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1"))
    return causes


# Service accounts and events ----------------------------------------------------------------------------------------


def _event(event: Object) -> list[Cause]:
    """An event lives in the namespace of what it is about; what has none is spoken of in "default"."""
    about = (event.get("involvedObject") or {}).get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    causes: list[Cause] = []
    if about != namespace and (about or namespace not in ("default", "kube-system")):
        causes.append(invalid("involvedObject.namespace", about, "does not match event.namespace"))
    if event.get("eventTime") is None:
        return causes
    for field, limit in (("reportingComponent", 0), ("reportingInstance", 128), ("action", 128), ("reason", 128)):
        said, where = event.get(field) or "", {"reportingComponent": "reportingController"}.get(field, field)
        if not said:
            causes.append(required(where))
        elif field == "reportingComponent":
            causes += label_name(where, said)
        elif len(said) > limit:
            causes.append(invalid(where, said, f"can have at most {limit} characters"))
    if len(event.get("message") or "") > 1024:
        causes.append(invalid("note", event["message"], "can have at most 1024 characters"))
    if event.get("type") not in ("Normal", "Warning"):
        causes.append(invalid("type", event.get("type", ""), "has invalid value: must be Normal or Warning"))
    return causes


def _event_change(event: Object, old: Object) -> list[Cause]:
    if old.get("eventTime") is None:
        return []
    kept = ("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reportingComponent",
            "reportingInstance", "action", "related", "type", "eventTime")  # fmt: skip
    return [cause for field in kept for cause in unchanged(field, event.get(field), old.get(field))]


RULES = {
    "v1 configmaps": (
        validator(_config_map),
        update_validator(lambda obj, old: _data_kept(obj, old, "data", "binaryData")),
    ),
    "v1 secrets": (validator(_secret), update_validator(_secret_change)),
    "v1 resourcequotas": (validator(_quota), update_validator(_quota_change)),
    "v1 limitranges": (validator(_limit_range), update_validator()),
    "v1 events": (validator(_event), update_validator(_event_change)),
}
