"""Tables and metadata-only forms."""

from __future__ import annotations

from apiserver.meta import (
    INCLUDE_NONE,
    INCLUDE_OBJECT,
    Column,
    build_table,
    find_field,
    gvk_of,
    partial_object_list,
    remove_field,
    set_field,
)

OBJ = {"apiVersion": "apps/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"n": 1}}
COLUMNS = (Column("Name", format="name"), Column("N", "integer", priority=1))


def row(obj: dict, now: float) -> list:
    return [obj["metadata"]["name"], obj["spec"]["n"]]


def test_table():
    table = build_table([OBJ], COLUMNS, row, 0.0, metadata={"resourceVersion": "7"})
    assert table["kind"] == "Table"
    assert table["apiVersion"] == "meta.k8s.io/v1"
    assert table["metadata"] == {"resourceVersion": "7"}
    assert table["columnDefinitions"][1] == {
        "name": "N", "type": "integer", "format": "", "description": "", "priority": 1,
    }  # fmt: skip
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}
    assert table["rows"] == [{"cells": ["a", 1], "object": partial}]


def test_table_of_a_later_watch_event_has_no_columns():
    assert build_table([OBJ], COLUMNS, row, 0.0, with_columns=False)["columnDefinitions"] is None


def test_include_object():
    assert build_table([OBJ], COLUMNS, row, 0.0, include_object=INCLUDE_OBJECT)["rows"][0]["object"] is OBJ
    assert build_table([OBJ], COLUMNS, row, 0.0, include_object=INCLUDE_NONE)["rows"][0]["object"] is None


def test_partial_list():
    listed = partial_object_list([OBJ], {"resourceVersion": "7"})
    assert listed["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]


def test_fields():
    obj: dict = {}
    set_field(obj, "spec.replicas", 3)
    assert find_field(obj, ".spec.replicas") == 3
    assert find_field(obj, "spec.none.deeper", "default") == "default"
    assert find_field({"spec": None}, "spec.replicas") is None
    remove_field(obj, "spec.replicas")
    remove_field(obj, "none.of.this")
    assert obj == {"spec": {}}


def test_gvk():
    assert gvk_of(OBJ) == ("apps", "v1", "Thing")
    assert gvk_of(OBJ).api_version == "apps/v1"
    assert gvk_of({"apiVersion": "v1", "kind": "Pod"}) == ("", "v1", "Pod")
