"""OpenAPI documents in protobuf, for Go clients that ask for nothing else: the messages openapi.v2 and openapi.v3 of gnostic.

The documents are plain JSON objects; the tables below say how each object of them is written. A field's type is a scalar, the
name of a table, `[T]`, or

    {1 T}   an object whose keys are data: a message with a repeated field 1 of {1: key, 2: T}
    <1 T    T wrapped in a message of its own, as its field 1: what may be one of several things
    any     {2: the value as YAML}; JSON is YAML

Fields that begin with `x-` are extensions, {1: name, 2: any}, in the field that a table names `x-`. In `/` and `*` go the paths
and the
answers' codes. What the tables do not have is left out. Field numbers are those of gnostic's OpenAPIv2.proto and
OpenAPIv3.proto, as far as Kubernetes' documents go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import orjson

from apiserver.protobuf.wire import BYTES, FIXED64, VARINT, delimited, heads_of, tag_of, varint

Put = Callable[[Any, list[bytes]], None]

V2_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
V3_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"

_V2: dict[str, dict[str, str]] = {
    "Document": {
        "swagger": "1 string", "info": "2 Info", "consumes": "6 [string]", "produces": "7 [string]",
        "paths": "8 Paths", "definitions": "9 {1 Schema}", "x-": "16",
    },
    "Info": {"title": "1 string", "version": "2 string", "description": "3 string"},
    "Paths": {"/": "2 PathItem", "x-": "1"},
    "PathItem": {
        "get": "2 Operation", "put": "3 Operation", "post": "4 Operation", "delete": "5 Operation",
        "options": "6 Operation", "head": "7 Operation", "patch": "8 Operation", "parameters": "9 [<1 Parameter]", "x-": "10",
    },
    "Operation": {
        "tags": "1 [string]", "summary": "2 string", "description": "3 string", "operationId": "5 string",
        "produces": "6 [string]", "consumes": "7 [string]", "parameters": "8 [<1 Parameter]", "responses": "9 Responses",
        "schemes": "10 [string]", "deprecated": "11 boolean", "x-": "13",
    },
    "BodyParameter": {
        "description": "1 string", "name": "2 string", "in": "3 string", "required": "4 boolean", "schema": "5 Schema",
    },
    "QueryParameter": {
        "required": "1 boolean", "in": "2 string", "description": "3 string", "name": "4 string",
        "type": "6 string", "format": "7 string", "uniqueItems": "20 boolean", "x-": "23",
    },
    "PathParameter": {
        "required": "1 boolean", "in": "2 string", "description": "3 string", "name": "4 string",
        "type": "5 string", "format": "6 string", "uniqueItems": "19 boolean", "x-": "22",
    },
    "Responses": {"*": "1 <1 Response", "x-": "2"},
    "Response": {"description": "1 string", "schema": "2 <1 Schema", "x-": "5"},
    "Schema": {
        "$ref": "1 string", "format": "2 string", "title": "3 string", "description": "4 string", "default": "5 any",
        "multipleOf": "6 double", "maximum": "7 double", "exclusiveMaximum": "8 boolean", "minimum": "9 double",
        "exclusiveMinimum": "10 boolean", "maxLength": "11 int64", "minLength": "12 int64", "pattern": "13 string",
        "maxItems": "14 int64", "minItems": "15 int64", "uniqueItems": "16 boolean", "maxProperties": "17 int64",
        "minProperties": "18 int64", "required": "19 [string]", "enum": "20 [any]",
        "additionalProperties": "21 schema-or-boolean", "type": "22 <1 string", "items": "23 <1 Schema",
        "allOf": "24 [Schema]", "properties": "25 {1 Schema}", "readOnly": "27 boolean", "example": "30 any", "x-": "31",
    },
}  # fmt: skip

_V3: dict[str, dict[str, str]] = {
    "Document": {"openapi": "1 string", "info": "2 Info", "paths": "4 Paths", "components": "5 Components", "x-": "9"},
    "Info": {"title": "1 string", "description": "2 string", "version": "6 string"},
    "Paths": {"/": "1 PathItem", "x-": "2"},
    "PathItem": {
        "summary": "2 string", "description": "3 string", "get": "4 Operation", "put": "5 Operation", "post": "6 Operation",
        "delete": "7 Operation", "options": "8 Operation", "head": "9 Operation", "patch": "10 Operation",
        "parameters": "13 [<1 Parameter]", "x-": "14",
    },
    "Operation": {
        "tags": "1 [string]", "summary": "2 string", "description": "3 string", "operationId": "5 string",
        "parameters": "6 [<1 Parameter]", "requestBody": "7 <1 RequestBody", "responses": "8 Responses",
        "deprecated": "10 boolean", "x-": "13",
    },
    "Parameter": {
        "name": "1 string", "in": "2 string", "description": "3 string", "required": "4 boolean",
        "schema": "10 SchemaOrReference", "x-": "14",
    },
    "RequestBody": {"description": "1 string", "content": "2 {1 MediaType}", "required": "3 boolean", "x-": "4"},
    "MediaType": {"schema": "1 SchemaOrReference"},
    "Responses": {"*": "2 <1 Response", "x-": "3"},
    "Response": {"description": "1 string", "content": "3 {1 MediaType}", "x-": "5"},
    "Components": {"schemas": "1 {1 SchemaOrReference}", "x-": "10"},
    "Reference": {"$ref": "1 string"},
    "Schema": {
        "nullable": "1 boolean", "readOnly": "3 boolean", "writeOnly": "4 boolean", "example": "7 any",
        "deprecated": "8 boolean", "title": "9 string", "multipleOf": "10 double", "maximum": "11 double",
        "exclusiveMaximum": "12 boolean", "minimum": "13 double", "exclusiveMinimum": "14 boolean", "maxLength": "15 int64",
        "minLength": "16 int64", "pattern": "17 string", "maxItems": "18 int64", "minItems": "19 int64",
        "uniqueItems": "20 boolean", "maxProperties": "21 int64", "minProperties": "22 int64", "required": "23 [string]",
        "enum": "24 [any]", "type": "25 string", "allOf": "26 [SchemaOrReference]", "oneOf": "27 [SchemaOrReference]",
        "anyOf": "28 [SchemaOrReference]", "not": "29 Schema", "items": "30 <1 SchemaOrReference",
        "properties": "31 {1 SchemaOrReference}", "additionalProperties": "32 schema-or-boolean", "default": "33 scalar",
        "description": "34 string", "format": "35 string", "x-": "36",
    },
}  # fmt: skip


def encode_openapi_v2(document: dict[str, Any]) -> bytes:
    return _Writer(_V2, {"Parameter": _v2_parameter}, "Schema").message("Document", document)


def encode_openapi_v3(document: dict[str, Any]) -> bytes:
    return _Writer(_V3, {"SchemaOrReference": _v3_schema}, "SchemaOrReference").message("Document", document)


class _Writer:
    """One pass over a document. choices: types that are written as one of several messages; inner: a schema in a schema."""

    def __init__(
        self,
        tables: dict[str, dict[str, str]],
        choices: dict[str, Callable[[_Writer, dict[str, Any]], bytes]],
        inner: str,
    ) -> None:
        self._tables = tables
        self._choices = choices
        self._inner = inner
        self._puts: dict[str, dict[str, Put]] = {}

    def message(self, name: str, obj: dict[str, Any]) -> bytes:
        choose = self._choices.get(name)
        if choose is not None:
            return choose(self, obj)
        puts = self._puts.get(name)
        if puts is None:
            puts = self._puts[name] = {
                field: self._put(text) for field, text in self._tables[name].items() if field != "x-"
            }
        parts: list[bytes] = []
        others = puts.get("*") or puts.get("/")
        extension = self._tables[name].get("x-")
        for key, value in obj.items():
            put = puts.get(key)
            if put is not None:
                put(value, parts)
            elif extension and key[:2] == "x-":
                parts.append(delimited(int(extension), delimited(1, key.encode()) + delimited(2, _any(value))))
            elif others is not None:
                others((key, value), parts)
        return b"".join(parts)

    def _put(self, text: str) -> Put:
        """How a field is written, tag and all."""
        number_text, _, kind = text.partition(" ")
        number = int(number_text)
        match kind:
            case "string":
                return lambda value, parts: parts.append(delimited(number, value.encode()))
            case "boolean" | "int64":
                tag = tag_of(number, VARINT)
                return lambda value, parts: parts.append(tag + varint(int(value)))
            case "double":
                tag = tag_of(number, FIXED64)
                return lambda value, parts: parts.append(tag + struct.pack("<d", value))
        if kind[0] == "[":
            one = self._put(f"{number} {kind[1:-1]}")

            def put_all(values: Any, parts: list[bytes]) -> None:
                for value in values:
                    one(value, parts)

            return put_all
        if kind[0] == "{":
            begin, _, inner = kind[1:-1].partition(" ")
            return self._put_named(number, int(begin), self._body(inner))
        body = self._body(kind)
        if text == self._tables.get("Responses", {}).get("*") or text == self._tables["Paths"]["/"]:
            return lambda pair, parts: parts.append(delimited(number, _named(pair[0], body(pair[1]))))
        heads, tag = heads_of(number), tag_of(number, BYTES)

        def put(value: Any, parts: list[bytes]) -> None:
            made = body(value)
            size = len(made)
            parts += (heads[size], made) if size < 128 else (tag, varint(size), made)

        return put

    def _put_named(self, number: int, field: int, body: Callable[[Any], bytes]) -> Put:
        def put(values: dict[str, Any], parts: list[bytes]) -> None:
            inner = [delimited(field, _named(name, body(value))) for name, value in values.items()]
            parts.append(delimited(number, b"".join(inner)))

        return put

    def _body(self, kind: str) -> Callable[[Any], bytes]:
        if kind == "any":
            return _any
        if kind == "scalar":
            return _scalar
        if kind == "schema-or-boolean":
            return self._schema_or_boolean
        if kind[0] == "<":
            begin, _, inner_kind = kind[1:].partition(" ")
            number = int(begin)
            if inner_kind == "string":
                return lambda value: delimited(number, value.encode())
            inner = self._body(inner_kind)
            return lambda value: delimited(number, inner(value))
        return lambda value: self.message(kind, value)

    def _schema_or_boolean(self, value: Any) -> bytes:
        if isinstance(value, bool):
            return tag_of(2, VARINT) + varint(int(value))
        return delimited(1, self.message(self._inner, value))


def _named(name: str, body: bytes) -> bytes:
    return delimited(1, name.encode()) + delimited(2, body)


def _any(value: Any) -> bytes:
    return delimited(2, orjson.dumps(value))


def _scalar(value: Any) -> bytes:
    """A default; of an object there is none in this form."""
    if isinstance(value, bool):
        return tag_of(2, VARINT) + varint(int(value))
    if isinstance(value, int | float):
        return tag_of(1, FIXED64) + struct.pack("<d", value)
    return delimited(3, value.encode()) if isinstance(value, str) else b""


def _v2_parameter(writer: _Writer, obj: dict[str, Any]) -> bytes:
    if obj["in"] == "body":
        return delimited(1, writer.message("BodyParameter", obj))
    number, name = (3, "QueryParameter") if obj["in"] == "query" else (4, "PathParameter")
    return delimited(2, delimited(number, writer.message(name, obj)))


def _v3_schema(writer: _Writer, obj: dict[str, Any]) -> bytes:
    if "$ref" in obj:
        return delimited(2, writer.message("Reference", obj))
    return delimited(1, writer.message("Schema", obj))
