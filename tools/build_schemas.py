"""Writes apiserver/kinds/schemas.json: the types that the served kinds reach, compact.

    python tools/build_schemas.py k8s-types.json apiserver/kinds/schemas.json

A build-time tool. Its input is a table of Kubernetes' API definitions: {"kubernetes": version, "definitions": {name:
{"fields": {field: {"type", "patchStrategy", "patchMergeKey", "listType", "listMapKeys", "mapType"}}, "required",
"mapType", "gvk"}}}. Its output is documented in apiserver/kinds/schemas.py.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

API_PREFIX = "io.k8s.api."
META_PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1."

# What the catalog serves, and the bodies that its subresources and answers carry.
ROOTS = [
    "core.v1.Namespace",
    "core.v1.Node",
    "core.v1.Pod",
    "core.v1.Service",
    "core.v1.Endpoints",
    "core.v1.ConfigMap",
    "core.v1.Secret",
    "core.v1.ServiceAccount",
    "core.v1.Event",
    "core.v1.Binding",
    "apps.v1.Deployment",
    "apps.v1.ReplicaSet",
    "apps.v1.ControllerRevision",
    "discovery.v1.EndpointSlice",
    "coordination.v1.Lease",
    "scheduling.v1.PriorityClass",
    "autoscaling.v1.Scale",
    "policy.v1.Eviction",
    "meta.v1.DeleteOptions",
    "meta.v1.Status",
    "meta.v1.ListMeta",
]

PRIMITIVES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    META_PREFIX + "Time": "time",
    META_PREFIX + "MicroTime": "microtime",
    META_PREFIX + "FieldsV1": "raw",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    "integer:int32": "int32",
    "integer:int64": "int64",
    "number:double": "double",
    "string:byte": "bytes",
    "string": "string",
    "boolean": "boolean",
}


def short_name(name: str) -> str:
    """core.v1.Pod of io.k8s.api.core.v1.Pod, meta.v1.ObjectMeta of apimachinery's."""
    if name.startswith(META_PREFIX):
        return "meta.v1." + name[len(META_PREFIX) :]
    if name.startswith(API_PREFIX):
        return name[len(API_PREFIX) :]
    raise SystemExit(f"no short name for {name}")


def long_name(name: str) -> str:
    return META_PREFIX + name[len("meta.v1.") :] if name.startswith("meta.v1.") else API_PREFIX + name


def short_type(text: str) -> str:
    if text[0] in "[{":
        return text[0] + short_type(text[1:-1]) + text[-1]
    return PRIMITIVES.get(text) or short_name(text)


def short_field(field: dict[str, Any]) -> Any:
    options = {
        "s": field.get("patchStrategy"),
        "k": field.get("patchMergeKey"),
        "l": field.get("listType") or field.get("mapType"),
        "m": field.get("listMapKeys"),
    }
    options = {key: value for key, value in options.items() if value}
    text = short_type(field["type"])
    return [text, options] if options else text


def short_definition(definition: dict[str, Any]) -> dict[str, Any]:
    short: dict[str, Any] = {"f": {name: short_field(field) for name, field in definition.get("fields", {}).items()}}
    if definition.get("required"):
        short["r"] = definition["required"]
    if definition.get("mapType") == "atomic":
        short["a"] = 1
    return short


def build(facts: dict[str, Any]) -> dict[str, Any]:
    """The compact table of everything that ROOTS reach, sorted by name."""
    found: dict[str, Any] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = short_definition(facts["definitions"][long_name(name)])
        for field in found[name]["f"].values():
            text = field if isinstance(field, str) else field[0]
            inner = re.sub(r"[\[\]{}]", "", text)
            if inner not in PRIMITIVES.values():
                waiting.append(inner)
    return {"kubernetes": facts["kubernetes"], "definitions": dict(sorted(found.items()))}


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    table = build(json.loads(source.read_text()))
    lines = [f"{json.dumps(name)}:{json.dumps(d, separators=(',', ':'))}" for name, d in table["definitions"].items()]
    body = ",\n".join(lines)
    target.write_text(f'{{"kubernetes":{json.dumps(table["kubernetes"])},"definitions":{{\n{body}\n}}}}\n')
    print(f"{target}: {len(lines)} definitions, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
