"""What a definition must be, and what may change of it: asked of the declared resource, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.errors import StatusError
from apiserver.kinds import catalog, decode_object
from apiserver.kinds.custom import Names, accept_names, declare_custom, is_true
from apiserver.kinds.groups.apiextensions import CUSTOM_RESOURCE_DEFINITIONS
from apiserver.meta import deep_copy
from tests.apiserver.customresources.conftest import definition, version

NOW = "2026-01-01T00:00:00Z"


def made(body: Any) -> Any:
    body = deep_copy(body)
    decode_object(body, CUSTOM_RESOURCE_DEFINITIONS.schema, "v1", "CustomResourceDefinition")
    CUSTOM_RESOURCE_DEFINITIONS.defaults(body)
    CUSTOM_RESOURCE_DEFINITIONS.prepare_create(body)
    return body


def texts(body: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in CUSTOM_RESOURCE_DEFINITIONS.validate(made(body))]


def with_schema(**schema: Any) -> Any:
    spec = {"type": "object", "properties": schema}
    return definition({**version(), "schema": {"openAPIV3Schema": spec}})


def test_defaults():
    body = made(definition())
    assert body["spec"]["names"] == {
        "plural": "widgets",
        "kind": "Widget",
        "singular": "widget",
        "listKind": "WidgetList",
    }
    assert body["spec"]["conversion"] == {"strategy": "None"}
    assert body["status"] == {
        "conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]
    }  # fmt: skip
    assert CUSTOM_RESOURCE_DEFINITIONS.validate(body) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (definition(scope="Galaxy"), ['spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"']),
        (
            definition(group="ex"),
            ['spec.group: Invalid value: "ex": should be a domain with at least one dot'],
        ),
        (
            {**definition(), "metadata": {"name": "other.ex.io"}},
            ['metadata.name: Invalid value: "other.ex.io": must be spec.names.plural+"."+spec.group'],
        ),
        (
            definition(names={"listKind": "Widget"}),
            ['spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'],
        ),
        (
            definition(conversion={"strategy": "Webhook"}),
            [
                "spec.conversion.strategy: Forbidden: conversion webhooks are not supported by this server; only the "
                "strategy None is"
            ],
        ),
        (
            definition({**version(), "schema": {}}),
            ["spec.versions[0].schema.openAPIV3Schema: Required value"],
        ),
        (
            definition(preserveUnknownFields=True),
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            ],
        ),
        (
            definition(version(subresources={"scale": {"specReplicasPath": "spec.x", "statusReplicasPath": ".spec.y"}})),
            [
                'spec.versions[0].subresources.scale.specReplicasPath: Invalid value: "spec.x": must be a simple json path '
                "starting with .",
                'spec.versions[0].subresources.scale.statusReplicasPath: Invalid value: ".spec.y": should be a json path '
                "under .status",
            ],
        ),
        (
            definition(version(additionalPrinterColumns=[{"name": "X", "type": "text", "jsonPath": ".x["}])),
            [
                'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of '
                "boolean,date,integer,number,string",
                'spec.versions[0].additionalPrinterColumns[0].jsonPath: Invalid value: ".x[": must be a valid json path: '
                "unterminated array",
            ],
        ),
        (
            definition(version(selectableFields=[{"jsonPath": ".spec.nothing"}, {"jsonPath": ".metadata.name"}])),
            [
                'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.nothing": is an invalid path: does '
                "not refer to a valid field",
                'spec.versions[0].selectableFields[1]: Invalid value: ".metadata.name": must not point to fields in metadata',
            ],
        ),
        (
            definition(version(deprecationWarning="x")),
            ['spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions'],
        ),
        (
            with_schema(size={"type": "integer", "default": "x"}),
            [
                "spec.versions[0].schema.openAPIV3Schema.properties[size].default: Invalid value: \"string\":  in body must be "
                'of type integer: "string"'
            ],
        ),
        (
            with_schema(spec={"type": "object", "default": {"x": 1}, "properties": {"a": {"type": "integer"}}}),
            [
                "spec.versions[0].schema.openAPIV3Schema.properties[spec].default: Invalid value: {\"x\":1}: must not have "
                "unknown fields"
            ],
        ),
        (
            with_schema(spec={"properties": {"a": {"type": "string"}}}),
            [
                "spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for "
                "specified object fields"
            ],
        ),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_a_definition_must_be(body, said):
    assert texts(body) == said


def test_exactly_one_storage_version():
    for versions in ((version("v1"), version("v2")), (version("v1", storage=False),)):
        said = texts(definition(*versions))
        assert len(said) == 1
        assert said[0].endswith("must have exactly one version marked as storage version")


def test_schemas_below_items_are_read_as_strictly_as_others():
    body = with_schema(list={"type": "array", "items": {"type": "object", "bogus": 1, "properties": {}}})
    unknown = decode_object(deep_copy(body), CUSTOM_RESOURCE_DEFINITIONS.schema, "v1", "CustomResourceDefinition")
    assert unknown == ['unknown field "spec.versions[0].schema.openAPIV3Schema.properties[list].items.bogus"']
    body = with_schema(list={"type": "array", "items": {"type": 5}})
    with pytest.raises(
        StatusError, match="cannot unmarshal number into Go struct field JSONSchemaProps.type of type string"
    ):
        decode_object(body, CUSTOM_RESOURCE_DEFINITIONS.schema, "v1", "CustomResourceDefinition")


def _change(old: Any, **spec: Any) -> list[str]:
    body = deep_copy(old)
    body["spec"].update(spec)
    CUSTOM_RESOURCE_DEFINITIONS.prepare_update(body, old)
    validate_change = CUSTOM_RESOURCE_DEFINITIONS.validate_change
    assert validate_change is not None
    return [f"{cause.field}: {cause.message}" for cause in validate_change(body, old)]


def test_what_may_not_change():
    old = made(definition())
    old["status"] = accept_names(old, Names(), NOW)
    assert is_true(old, "Established")
    names = old["spec"]["names"]
    assert _change(old, scope="Cluster") == ['spec.scope: Invalid value: "Cluster": field is immutable']
    assert _change(old, names={**names, "kind": "Gadget"}) == [
        'spec.names.kind: Invalid value: "Gadget": field is immutable'
    ]
    assert _change(old, names={**names, "plural": "gadgets"}) == [
        'spec.names.plural: Invalid value: "gadgets": field is immutable'
    ]
    assert _change(old, names={**names, "shortNames": ["w"]}) == []


def test_what_was_let_in_may_stay():
    old = made(with_schema(spec={"properties": {"a": {"type": "string"}}}))  # not structural
    old["status"] = accept_names(old, Names(), NOW)
    assert _change(old, names={**old["spec"]["names"], "shortNames": ["w"]}) == []
    worse = with_schema(spec={"properties": {"a": {"type": "string"}, "b": {}}})["spec"]["versions"]
    assert [text.partition(":")[0] for text in _change(old, versions=worse)] == [
        "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[b].type"
    ]


def test_names_are_taken_one_by_one():
    first = made(definition(names={"shortNames": ["w", "wd"]}))
    first["metadata"]["uid"] = "1"
    first["status"] = accept_names(first, Names(), NOW)
    second = made(definition(plural="wires", names={"shortNames": ["wd", "wi"], "kind": "Widget"}))
    status = accept_names(second, Names([first]), NOW)
    assert status["acceptedNames"] == {"plural": "wires", "kind": ""}  # the others are taken
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [
        ("NamesAccepted", "False"),
        ("Established", "False"),
    ]
    assert accept_names(second, Names(), NOW)["acceptedNames"]["shortNames"] == ["wd", "wi"]


def test_a_condition_keeps_its_time_while_it_says_the_same():
    first = made(definition())
    first["status"] = accept_names(first, Names(), NOW)
    again = accept_names(first, Names(), "2027-01-01T00:00:00Z")
    assert again == first["status"]


def test_formats_that_mean_nothing_are_warned_of():
    body = made(with_schema(
        a={"type": "string", "format": "date-time"},
        b={"type": "array", "items": {"type": "string", "format": "colour"}},
        format={"type": "string", "format": "colour"},
        c={"type": "integer", "format": "int16"},
    ))  # fmt: skip
    warn = CUSTOM_RESOURCE_DEFINITIONS.warn
    assert warn is not None
    assert warn(body, None) == ['unrecognized format "colour"', 'unrecognized format "int16"']


def test_versions_are_served_in_kubernetes_order():
    names = ("v1", "v2beta1", "v10", "foo", "v1alpha1", "v11beta2")
    body = made(definition(*(version(name, storage=name == "v1") for name in names)))
    body["status"] = accept_names(body, Names(), NOW)
    assert [each.version for each in declare_custom(body)] == ["v10", "v1", "v11beta2", "v2beta1", "v1alpha1", "foo"]


def test_two_definitions_of_one_kind_do_not_stop_the_server():
    resources = []
    for plural in ("widgets", "wires"):
        body = made(definition(plural=plural, names={"kind": "Widget"}))
        body["status"] = accept_names(body, Names(), NOW)
        resources += declare_custom(body)
    joined = catalog.joined_by(resources)
    assert [each.plural for each in joined.resources("ex.io")] == ["widgets"]
    assert len(joined.resources("apps")) == len(catalog.resources("apps"))
