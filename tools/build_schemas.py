"""Writes the generated tables of apiserver/kinds from the facts of one Kubernetes version.

    python tools/build_schemas.py FACTS apiserver/kinds

A build-time tool. FACTS is a folder with

    k8s-types.json      Kubernetes' API definitions: {"kubernetes": version, "definitions": {name: {"fields": {field: {"type",
                        "patchStrategy", "patchMergeKey", "listType", "listMapKeys", "mapType", "proto"}}, "required",
                        "mapType"}}, "protoMessages": {message: {field: [number, label, type]}}}
    k8s-resources.json  discovery: {"groupOrder": [[group, versions]], "resources": {group version: [APIResource]}}

and what is written beside the module that reads it:

    schemas.json    the types that the served resources reach, compact (see schemas.py)
    resources.json  what discovery says of each served resource (see declaring.py)

Which fields leave out their zero value is taken from apiserver/protobuf/messages.json (tools/build_messages.py).
Only the group versions that Kubernetes serves by default are taken.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

API_PREFIX = "io.k8s.api."
META_PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1."
OTHER_PREFIXES = (
    "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.kube-aggregator.pkg.apis.",
    "io.k8s.apimachinery.pkg.",
)

Facts = dict[str, Any]

# Bodies that are no resource of their own: of subresources, of options and of answers.
EXTRA_ROOTS = [
    "autoscaling.v1.Scale",
    "policy.v1.Eviction",
    "authentication.v1.TokenRequest",
    "meta.v1.DeleteOptions",
    "meta.v1.Status",
    "meta.v1.ListMeta",
    "meta.v1.LabelSelector",
    "meta.v1.Condition",
    "meta.v1.APIGroup",
    "meta.v1.APIGroupList",
    "meta.v1.APIResourceList",
    "meta.v1.APIVersions",
    "meta.v1.WatchEvent",
]

# Messages that only the binary form has.

APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

PRIMITIVES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    META_PREFIX + "Time": "time",
    META_PREFIX + "MicroTime": "microtime",
    META_PREFIX + "FieldsV1": "raw",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    # Any JSON, or a schema or something else: without a structure that this table can say.
    APIEXTENSIONS + "JSON": "raw",
    APIEXTENSIONS + "JSONSchemaPropsOrArray": "raw",
    APIEXTENSIONS + "JSONSchemaPropsOrBool": "raw",
    APIEXTENSIONS + "JSONSchemaPropsOrStringArray": "raw",
    "integer:int32": "int32",
    "integer:int64": "int64",
    "number:double": "double",
    "string:byte": "bytes",
    "string": "string",
    "boolean": "boolean",
}


MESSAGES = Path(__file__).resolve().parent.parent / "apiserver/protobuf/messages.json"


def short_name(name: str) -> str:
    """core.v1.Pod of io.k8s.api.core.v1.Pod, meta.v1.ObjectMeta of apimachinery's, runtime.Unknown."""
    name = name.replace("_", "-")
    if name.startswith(META_PREFIX):
        return "meta.v1." + name[len(META_PREFIX) :]
    for prefix in (API_PREFIX, *OTHER_PREFIXES):
        if name.startswith(prefix):
            return name[len(prefix) :]
    raise SystemExit(f"no short name for {name}")


def is_served_version(version: str) -> bool:
    return "alpha" not in version and "beta" not in version


# Types --------------------------------------------------------------------------------------------------------------


def short_type(text: str) -> str:
    if text[0] in "[{":
        return text[0] + short_type(text[1:-1]) + text[-1]
    return PRIMITIVES.get(text) or short_name(text)


def short_field(field: Facts) -> Any:
    options = {
        "s": field.get("patchStrategy"),
        "k": field.get("patchMergeKey"),
        "l": field.get("listType") or field.get("mapType"),
        "m": field.get("listMapKeys"),
    }
    options = {key: value for key, value in options.items() if value}
    text = short_type(field["type"])
    return [text, options] if options else text


def short_definition(definition: Facts) -> Facts:
    short: Facts = {"f": {name: short_field(field) for name, field in definition.get("fields", {}).items()}}
    if definition.get("required"):
        short["r"] = definition["required"]
    if definition.get("mapType") == "atomic":
        short["a"] = 1
    return short


def build_types(definitions: Facts, roots: list[str]) -> Facts:
    """The compact table of everything that the roots reach."""
    by_short_name = {short_name(name): name for name in definitions}
    found: Facts = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = short_definition(definitions[by_short_name[name]])
        for field in found[name]["f"].values():
            text = field if isinstance(field, str) else field[0]
            inner = re.sub(r"[\[\]{}]", "", text)
            if inner not in PRIMITIVES.values():
                waiting.append(inner)
    return dict(sorted(found.items()))


def zeros_of(name: str, messages: Facts) -> list[str]:
    """The fields of a message whose zero value means that they are not there; those of embedded messages are its own."""
    found = []
    for field, text in messages.get(name, {}).items():
        kind = text.partition(" ")[2]
        if kind.startswith("inline "):
            found += zeros_of(kind.removeprefix("inline "), messages)
        elif kind.endswith("?"):
            found.append(field)
    return found


def add_zeros(types: Facts, messages: Facts) -> None:
    for name, definition in types.items():
        zeros = sorted(set(zeros_of(name, messages)) & set(definition["f"]))
        if zeros:
            definition["z"] = zeros


# Resources ----------------------------------------------------------------------------------------------------------


def build_resources(discovery: Facts) -> Facts:
    """{group version: {plural: {"kind", "singular", …, "subresources": {name: [kind, verbs, group, version]}}}}"""
    built: Facts = {}
    for group, versions in [("", ["v1"]), *discovery["groupOrder"]]:
        for version in filter(is_served_version, versions):
            name = f"{group}/{version}" if group else version
            built[name] = {}
            for entry in discovery["resources"].get(name, ()):
                plural, _, sub = entry["name"].partition("/")
                if sub:
                    said = [entry["kind"], entry["verbs"], entry.get("group", ""), entry.get("version", "")]
                    built[name][plural].setdefault("subresources", {})[sub] = said
                    continue
                listed = {"kind": entry["kind"], "singular": entry["singularName"], "verbs": entry["verbs"]}
                if entry["namespaced"]:
                    listed["namespaced"] = True
                for key in ("shortNames", "categories"):
                    if entry.get(key):
                        listed[key] = entry[key]
                built[name][plural] = listed
    return built


def schema_package(group_version: str) -> str:
    """core.v1 of v1, rbac.v1 of rbac.authorization.k8s.io/v1: where the types of a group stand."""
    group, _, version = group_version.rpartition("/")
    return f"{group.partition('.')[0] or 'core'}.{version}"


def roots_of(resources: Facts, definitions: Facts) -> list[str]:
    """The kinds of the resources, of their subresources, and their lists."""
    known = {short_name(name) for name in definitions}
    roots = list(EXTRA_ROOTS)
    for group_version, listed in resources.items():
        for entry in listed.values():
            kind = f"{schema_package(group_version)}.{entry['kind']}"
            roots += [name for name in (kind, f"{kind}List") if name in known]
    return roots


def write_table(target: Path, head: Facts, key: str, table: Facts) -> None:
    """One entry a line, so that a change is seen."""
    lines = [f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}" for name, entry in table.items()]
    begin = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in head.items())
    body = ",\n".join(lines)
    target.write_text(f"{{{begin}{json.dumps(key)}:{{\n{body}\n}}}}\n")
    print(f"{target.name}: {len(lines)} entries, {target.stat().st_size} bytes")


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    facts = json.loads((source / "k8s-types.json").read_text())
    resources = build_resources(json.loads((source / "k8s-resources.json").read_text()))
    resources = {name: listed for name, listed in resources.items() if listed}
    types = build_types(facts["definitions"], roots_of(resources, facts["definitions"]))
    add_zeros(types, json.loads(MESSAGES.read_text())["messages"])
    head = {"kubernetes": facts["kubernetes"]}
    write_table(target / "schemas.json", head, "definitions", types)
    listed = {f"{name} {plural}": entry for name, plurals in resources.items() for plural, entry in plurals.items()}
    write_table(target / "resources.json", head, "resources", listed)


if __name__ == "__main__":
    main()
