"""Writes apiserver/protobuf/messages.json: how each message of Kubernetes' API is written in protobuf, compact.

    python tools/build_messages.py k8s-types.json KUBECTL apiserver/protobuf/messages.json

A build-time tool. Its inputs: a table of Kubernetes' API definitions ({"definitions": {name: {"fields": {field: {"type",
"proto": [number, label, type]}}}}, "protoMessages": {name: {field: [number, label, type]}}}), and the kubectl binary, for what
that table lacks: which fields are pointers, which leave out their zero value, which are embedded. What kubectl does not know
(apiextensions, apiregistration) is told below. The output is documented in apiserver/protobuf/table.py.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from go_types import POINTER, GoBinary, GoType

API = "io.k8s.api."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PREFIXES = {
    META: "meta.v1.",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.": "apiextensions.",
    "io.k8s.apiextensions_apiserver.pkg.apis.apiextensions.": "apiextensions.",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.": "apiregistration.",
    "io.k8s.kube_aggregator.pkg.apis.apiregistration.": "apiregistration.",
    API: "",
}
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    META + "Time": "time",
    META + "MicroTime": "microtime",
    META + "FieldsV1": "raw",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    "apiextensions.v1.JSON": "raw",
    "apiextensions.v1.JSONSchemaPropsOrArray": "schema-or-array",
    "apiextensions.v1.JSONSchemaPropsOrBool": "schema-or-bool",
    "apiextensions.v1.JSONSchemaPropsOrStringArray": "schema-or-strings",
}
SCALARS = {
    "string": "string",
    "bool": "boolean",
    "int32": "int32",
    "int64": "int64",
    "double": "double",
    "bytes": "bytes",
}
WRAPPED = ("ExtraValue", "Verbs")  # named lists of text: a message with one repeated field
# Fields of messages that kubectl does not carry whose zero value is not "absent": pointers, and what is always written.
KEPT = {
    "apiextensions.v1.CustomResourceColumnDefinition": "name type jsonPath",
    "apiextensions.v1.CustomResourceConversion": "strategy",
    "apiextensions.v1.CustomResourceDefinitionCondition": "type status",
    "apiextensions.v1.CustomResourceDefinitionNames": "plural kind",
    "apiextensions.v1.CustomResourceDefinitionSpec": "group scope",
    "apiextensions.v1.CustomResourceDefinitionVersion": "name served storage deprecationWarning",
    "apiextensions.v1.CustomResourceSubresourceScale": "specReplicasPath statusReplicasPath labelSelectorPath",
    "apiextensions.v1.JSONSchemaProps": "$ref maximum minimum maxLength minLength maxItems minItems multipleOf "
    "maxProperties minProperties x-kubernetes-preserve-unknown-fields x-kubernetes-list-type x-kubernetes-map-type",
    "apiextensions.v1.SelectableField": "jsonPath",
    "apiextensions.v1.ServiceReference": "namespace name path port",
    "apiextensions.v1.ValidationRule": "rule reason optionalOldSelf",
    "apiextensions.v1.WebhookClientConfig": "url",
    "apiregistration.v1.APIServiceCondition": "type status",
    "apiregistration.v1.APIServiceSpec": "groupPriorityMinimum versionPriority",
    "apiregistration.v1.ServiceReference": "port",
    "resource.v1.NodeAllocatableResourceMapping": "capacityKey",
}
JSON_NAMES = {"ref": "$ref", "schema": "$schema"}  # of JSONSchemaProps


def short_name(name: str) -> str:
    for prefix, short in PREFIXES.items():
        if name.startswith(prefix):
            return short + name[len(prefix) :]
    return name


def is_stable(name: str) -> bool:
    return re.match(r"[a-z]+\.v\d+\.", name) is not None


def wire_type(text: str, owner: str) -> str:
    """The written form of a protobuf type, as it stands in a .proto file of Kubernetes."""
    text = text.lstrip(".")
    text = text.replace("k8s.io.", "io.k8s.", 1) if text.startswith("k8s.io.") else text
    if text in SCALARS:
        return SCALARS[text]
    name = short_name(text if "." in text else f"{owner.rpartition('.')[0]}.{text}")
    if name.rpartition(".")[2] in WRAPPED:
        return "wrapped"
    return (
        SPECIAL.get(text) or SPECIAL.get(name) or SPECIAL.get(META + text if owner.startswith("meta.") else "") or name
    )


def from_proto(name: str, facts: list[Any]) -> tuple[int, str]:
    number, label, text = facts
    if text.startswith("map<"):
        return number, "{" + wire_type(text[len("map<string,") : -1], name) + "}"
    written = wire_type(text, name)
    return number, f"[{written}]" if label == "rep" else written


def from_definition(text: str) -> str:
    if text[0] in "[{":
        return text[0] + from_definition(text[1:-1]) + text[-1]
    return {"integer:int32": "int32", "integer:int64": "int64"}.get(text) or SPECIAL.get(text) or short_name(text)


def json_name(owner: str, name: str) -> str:
    if owner.endswith(".JSONSchemaProps"):
        if name.startswith("xKubernetes"):
            return "x-kubernetes" + re.sub("[A-Z]", lambda found: "-" + found[0].lower(), name[len("xKubernetes") :])
        return JSON_NAMES.get(name, name)
    return name[0].lower() + name[1:]


class GoFacts:
    """What the binary says of one struct's fields, by protobuf number."""

    def __init__(self, binary: GoBinary, struct: GoType) -> None:
        self.names: dict[int, str] = {}
        self.kept: set[int] = set()
        self.inline: dict[int, str] = {}
        for name, tag, address in struct.fields:
            wire = re.search(r'protobuf:"[a-z]+,(\d+)', tag)
            if wire is None:
                continue
            number = int(wire[1])
            written, *options = (re.search(r'json:"([^"]*)"', tag) or [0, ""])[1].split(",")
            self.names[number] = written or name[0].lower() + name[1:]
            type_ = binary.type_at(address)
            if not written or "inline" in options:
                self.inline[number] = name
            if not {"omitempty", "omitzero"} & set(options) or (type_ and type_.kind == POINTER):
                self.kept.add(number)


def build(facts: dict[str, Any], binary: GoBinary) -> dict[str, dict[str, str]]:
    messages: dict[str, dict[str, list[Any]]] = {}
    types: dict[str, dict[str, str]] = {}
    for long, definition in facts["definitions"].items():
        types[short_name(long)] = {name: field["type"] for name, field in definition.get("fields", {}).items()}
        fields = {name: field["proto"] for name, field in definition.get("fields", {}).items() if "proto" in field}
        messages[short_name(long)] = fields
    for long, fields in facts["protoMessages"].items():
        messages[short_name(long)] = messages.get(short_name(long)) or fields
    structs: dict[str, GoFacts] = {}
    for struct in binary.structs():
        if struct.package.startswith("k8s.io/"):
            path = "io.k8s." + struct.package[len("k8s.io/") :].replace("/", ".")
            structs[short_name(f"{path}.{struct.name.rpartition('.')[2]}")] = GoFacts(binary, struct)
    table: dict[str, dict[str, str]] = {}
    for name in sorted(messages):
        if is_stable(name) and name.rpartition(".")[2] not in WRAPPED and name not in SPECIAL:
            table[name] = _fields(name, messages[name], types.get(name, {}), structs.get(name))
    return table


def _fields(name: str, fields: dict[str, list[Any]], types: dict[str, str], go: GoFacts | None) -> dict[str, str]:
    """types: the fields of the published definition, for those whose name there is not the name in protobuf."""
    kept = KEPT.get(name, "").split()
    written: list[tuple[int, str, str]] = []
    for field, proto in fields.items():
        number, text = from_proto(name, proto)
        json_field = go.names.get(number, json_name(name, field)) if go else json_name(name, field)
        is_kept = number in go.kept if go and number in go.names else json_field in kept
        if not is_kept and text in SCALARS.values():
            text += "?"
        written.append((number, json_field, text))
    known = {number for number, _, _ in written}
    for number, json_field in (go.names if go else {}).items():
        if number in known or go is None:
            continue
        if number in go.inline:
            written.append((number, json_field, f"inline {name.rpartition('.')[0]}.{go.inline[number]}"))
        elif json_field in types:  # a field whose two names differ
            text = from_definition(types[json_field])
            written.append(
                (number, json_field, text if number in go.kept or text not in SCALARS.values() else f"{text}?")
            )
    return {field: f"{number} {text}" for number, field, text in sorted(written)}


def main() -> None:
    source, kubectl, target = map(Path, sys.argv[1:])
    facts = json.loads(source.read_text())
    table = build(facts, GoBinary(kubectl))
    lines = [f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}" for name, fields in table.items()]
    body = ",\n".join(lines)
    target.write_text(f'{{"kubernetes":{json.dumps(facts["kubernetes"])},"messages":{{\n{body}\n}}}}\n')
    print(f"{target}: {len(lines)} messages, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
