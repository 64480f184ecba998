"""The same table through google.protobuf: classes in a private pool, and an obviously correct way to fill them.

What the codec writes is parsed by these classes, and what they serialize is read by the codec.
"""

from __future__ import annotations

import base64
from datetime import datetime
from functools import lru_cache
from random import Random
from typing import Any

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from apiserver.protobuf import fields_of, messages

PACKAGE = "test.k8s"
SCALARS = {"string": 9, "bytes": 12, "boolean": 8, "int32": 5, "int64": 3, "double": 1}
# Messages that the table calls by a name of its own: their fields by number.
SPECIAL = {
    "quantity": {"string": "1 string"},
    "time": {"seconds": "1 int64", "nanos": "2 int32"},
    "microtime": {"seconds": "1 int64", "nanos": "2 int32"},
    "int-or-string": {"type": "1 int64", "intVal": "2 int32", "strVal": "3 string"},
    "raw": {"raw": "1 bytes"},
    "wrapped": {"items": "1 [string]"},
    "schema-or-array": {
        "schema": "1 apiextensions.v1.JSONSchemaProps",
        "array": "2 [apiextensions.v1.JSONSchemaProps]",
    },
    "schema-or-bool": {"allows": "1 boolean", "schema": "2 apiextensions.v1.JSONSchemaProps"},
    "schema-or-strings": {"schema": "1 apiextensions.v1.JSONSchemaProps", "property": "2 [string]"},
}
LABEL_OPTIONAL, LABEL_REPEATED = 1, 3


def _identifier(name: str) -> str:
    return name.replace(".", "_").replace("-", "_").replace("$", "S")


def _set_type(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in SCALARS:
        field.type = SCALARS[kind]
    else:
        field.type = 11
        field.type_name = f".{PACKAGE}.{_identifier(kind)}"


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="k8s.proto", package=PACKAGE, syntax="proto2")
    for name, fields in {**messages(), **SPECIAL}.items():
        message = file.message_type.add(name=_identifier(name))
        for field_name, text in fields.items():
            number, _, kind = text.removesuffix("?").partition(" ")
            kind = kind.removeprefix("inline ")
            field = message.field.add(name=_identifier(field_name), number=int(number), label=LABEL_OPTIONAL)
            if kind[0] == "[":
                field.label = LABEL_REPEATED
                _set_type(field, kind[1:-1])
            elif kind[0] == "{":
                field.label = LABEL_REPEATED
                entry = message.nested_type.add(name=f"E{number}Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, label=LABEL_OPTIONAL, type=9)
                _set_type(entry.field.add(name="value", number=2, label=LABEL_OPTIONAL), kind[1:-1])
                field.name = f"e{number}"
                field.type, field.type_name = 11, f".{PACKAGE}.{_identifier(name)}.E{number}Entry"
            else:
                _set_type(field, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{_identifier(name)}"))
        for name in {**messages(), **SPECIAL}
    }


def new_message(name: str) -> Any:
    return _classes()[name]()


def fill(message: Any, name: str, obj: dict[str, Any], *, zeros: bool = False) -> None:
    """Sets a message from an object. zeros: also write zero for what is absent and may be dropped, as Go does."""
    for field in fields_of(name):
        attribute = _identifier(field.name)
        if field.inline:
            fill(getattr(message, attribute), field.type, obj, zeros=zeros)
            getattr(message, attribute).SetInParent()
        elif field.name in obj:
            _set(message, attribute, field.number, field.type, obj[field.name], zeros)
        elif zeros and field.drops_zero:
            setattr(
                message, attribute, {"string": "", "boolean": False, "bytes": b"", "double": 0.0}.get(field.type, 0)
            )
        elif zeros and field.type in ("time", "microtime"):
            getattr(message, attribute).SetInParent()


def _set(message: Any, attribute: str, number: int, kind: str, value: Any, zeros: bool) -> None:
    if kind in SCALARS:
        setattr(message, attribute, base64.b64decode(value) if kind == "bytes" else value)
    elif kind[0] == "[":
        items = getattr(message, attribute)
        for item in value:
            if kind[1:-1] in SCALARS:
                items.append(item)
            else:
                _set_message(items.add(), kind[1:-1], item, zeros)
    elif kind[0] == "{":
        entries = getattr(message, f"e{number}")
        for key, item in value.items():
            if kind[1:-1] in SCALARS:
                entries[key] = base64.b64decode(item) if kind[1:-1] == "bytes" else item
            else:
                _set_message(entries[key], kind[1:-1], item, zeros)
    else:
        getattr(message, attribute).SetInParent()
        _set_message(getattr(message, attribute), kind, value, zeros)


def _set_message(message: Any, kind: str, value: Any, zeros: bool) -> None:
    if kind == "quantity":
        message.string = value
    elif kind in ("time", "microtime"):
        moment = datetime.fromisoformat(value)
        message.seconds, message.nanos = int(moment.timestamp() // 1), moment.microsecond * 1000
    elif kind == "int-or-string":
        message.type, message.intVal, message.strVal = 0, 0, ""
        if isinstance(value, str):
            message.type, message.strVal = 1, value
        else:
            message.intVal = value
    elif kind == "raw":
        message.raw = orjson.dumps(value)
    elif kind == "wrapped":
        message.items.extend(value)
    elif kind.startswith("schema-or-"):
        _set_schema_or(message, value, zeros)
    else:
        fill(message, kind, value, zeros=zeros)


def _set_schema_or(message: Any, value: Any, zeros: bool) -> None:
    schema = "apiextensions.v1.JSONSchemaProps"
    if isinstance(value, bool):
        message.allows = value
    elif isinstance(value, list) and isinstance(value[0], str):
        message.property.extend(value)
    elif isinstance(value, list):
        for item in value:
            fill(message.array.add(), schema, item, zeros=zeros)
    else:
        if hasattr(message, "allows"):
            message.allows = True
        message.schema.SetInParent()
        fill(message.schema, schema, value, zeros=zeros)


def add_zeros(name: str, obj: dict[str, Any]) -> dict[str, Any]:
    """A copy of an object in which every field that may drop its zero has one, at the top two levels."""
    made = orjson.loads(orjson.dumps(obj))
    for field in fields_of(name):
        if field.inline:
            made = {**add_zeros(field.type, obj), **made}
        elif field.drops_zero and field.type != "bytes":
            made.setdefault(field.name, {"string": "", "boolean": False}.get(field.type, 0))
        elif field.name in made and field.type in messages():
            made[field.name] = add_zeros(field.type, made[field.name])
    return made


# Random objects, in the canonical form that the decoder makes ------------------------------------------------------------

TEXTS = ("a", "nginx:1.27", "kubernetes.io/x", "ü€", "x" * 127, "y" * 128, "z" * 300)


def random_object(name: str, dice: Random, depth: int = 0) -> dict[str, Any]:
    obj: dict[str, Any] = {}
    for field in fields_of(name):
        if field.inline:
            obj.update(random_object(field.type, dice, depth + 1))
        elif dice.random() < (0.8 if depth < 3 else 0.25 if depth < 6 else 0.0):
            value = random_value(field.type, dice, depth, may_be_zero=not field.drops_zero)
            if value not in ([], {}) or field.type[0] not in "[{":
                obj[field.name] = value
    return obj


def random_value(kind: str, dice: Random, depth: int, *, may_be_zero: bool = True) -> Any:
    if kind[0] == "[":
        return [random_value(kind[1:-1], dice, depth + 1) for _ in range(dice.randrange(3))]
    if kind[0] == "{":
        return {text: random_value(kind[1:-1], dice, depth + 1) for text in dice.sample(TEXTS, dice.randrange(3))}
    zero = may_be_zero and dice.random() < 0.2
    match kind:
        case "string":
            return "" if zero else dice.choice(TEXTS)
        case "bytes":
            return base64.b64encode(dice.randbytes(dice.randrange(1, 200))).decode()
        case "boolean":
            return not zero
        case "int32":
            return 0 if zero else dice.choice((1, 127, 128, -1, 2**31 - 1, -(2**31)))
        case "int64":
            return 0 if zero else dice.choice((1, 300, -1, 2**63 - 1, -(2**63)))
        case "double":
            return dice.choice((0.5, 3, -2.25))
        case "quantity":
            return dice.choice(("0", "100m", "1", "64Mi", "1500m", "2Gi"))
        case "time":
            return dice.choice(("2026-01-02T03:04:05Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z"))
        case "microtime":
            return dice.choice(("2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05.123456Z"))
        case "int-or-string":
            return dice.choice((0, 80, -1, "http", "25%"))
        case "raw":
            return dice.choice(({"f:metadata": {"f:name": {}}}, {}, 1, "x", [1, {"a": False}], 2.5))
        case "wrapped":
            return list(dice.sample(TEXTS, dice.randrange(3)))
        case "schema-or-array":
            return dice.choice(({"type": "string"}, [{"type": "string"}, {"nullable": True}]))
        case "schema-or-bool":
            return dice.choice((True, False, {"type": "integer", "maximum": 1.5}))
        case "schema-or-strings":
            return dice.choice((["a", "b"], {"x-kubernetes-int-or-string": True}))
    return random_object(kind, dice, depth + 1)
