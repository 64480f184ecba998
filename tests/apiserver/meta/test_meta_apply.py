"""Server-side apply, from the documented rules: ownership, conflicts, removal, list types."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.meta import Types
from apiserver.meta.compare import compare
from apiserver.meta.managed_fields import (
    Writer,
    apply_configuration,
    create_entries,
    equal_but_for_times,
    update_entries,
)
from apiserver.meta.shape import shape_of

TYPES = Types(
    {
        "Meta": {
            "f": {
                "name": "string",
                "namespace": "string",
                "labels": "{string}",
                "annotations": "{string}",
                "finalizers": ["[string]", {"l": "set"}],
                "managedFields": "[raw]",
            }
        },
        "Port": {"f": {"port": "int32", "protocol": ["string", {"d": "TCP"}], "name": "string"}, "r": ["port"]},
        "Item": {
            "f": {"name": "string", "image": "string", "args": ["[string]", {"l": "atomic"}], "limits": "{string}"}
        },
        "Spec": {
            "f": {
                "replicas": "int32",
                "selector": ["{string}", {"l": "atomic"}],
                "items": ["[Item]", {"l": "map", "m": ["name"]}],
                "ports": ["[Port]", {"l": "map", "m": ["port", "protocol"]}],
                "paused": "boolean",
                "text": "string",
                "groups": ["[Group]", {"l": "map", "m": ["name"]}],
            }
        },
        "Group": {"f": {"name": "string", "members": ["[string]", {"l": "set"}]}},
        "Thing": {
            "f": {
                "apiVersion": "string",
                "kind": "string",
                "metadata": "Meta",
                "spec": "Spec",
                "status": "Spec",
                "data": "{string}",
            }
        },
    }
)
SHAPE = shape_of(TYPES.get("Thing"))
STATUS = {"f:status": {}}


def writer(name="one", now="2026-01-01T00:00:01Z", **more):
    return Writer(name, "ex/v1", more.pop("subresource", ""), now, **{"reset": STATUS, **more})


def thing(**parts):
    return {"apiVersion": "ex/v1", "kind": "Thing", "metadata": {"name": "t"}, **parts}


def apply(live, config, name="one", **more):
    """-> the object with its entries."""
    force = more.pop("force", False)
    obj, entries = apply_configuration(SHAPE, live, config, writer(name, **more), force=force)
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def update(live, name="other", now="2026-01-01T00:00:02Z", **parts):
    obj = {**live, **parts}
    bare = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    obj = {**obj, "metadata": bare}
    entries = update_entries(SHAPE, live, obj, writer(name, now))
    return {**obj, "metadata": {**bare, "managedFields": entries}}


def owned(obj):
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in obj["metadata"]["managedFields"]}


def bare(obj):
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def test_creating_owns_every_field_that_was_not_there():
    obj = thing(
        metadata={"name": "t", "labels": {"a": "b"}},
        spec={
            "replicas": 1,
            "selector": {"a": "b"},
            "items": [{"name": "c", "image": "i", "limits": {}}],
            "ports": [{"port": 80}],
        },
        status={"replicas": 3},
        data={"k": "v"},
    )
    (entry,) = create_entries(SHAPE, obj, writer("curl"))
    assert entry == {
        "manager": "curl",
        "operation": "Update",
        "apiVersion": "ex/v1",
        "time": "2026-01-01T00:00:01Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:items": {".": {}, 'k:{"name":"c"}': {".": {}, "f:name": {}, "f:image": {}, "f:limits": {}}},
                "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            },
            "f:data": {".": {}, "f:k": {}},
        },
    }


def test_what_has_no_schema_is_taken_apart():
    shape = shape_of(TYPES.get("raw"), is_custom=True)
    (entry,) = create_entries(shape, thing(spec={"a": {"b": [1]}, "c": {}}), writer())
    assert entry["fieldsV1"] == {"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:c": {}}}


def test_applying_owns_what_the_configuration_names():
    live = apply({}, thing(data={"a": "1"}, spec={"items": [{"name": "c", "image": "i"}], "selector": {"x": "y"}}))
    assert owned(live) == {
        ("one", "Apply"): {
            "f:data": {"f:a": {}},
            "f:spec": {"f:items": {'k:{"name":"c"}': {".": {}, "f:name": {}, "f:image": {}}}, "f:selector": {}},
        }
    }


def test_a_conflict_names_the_manager_and_the_field():
    live = apply({}, thing(data={"b": "3"}))
    with pytest.raises(StatusError) as caught:
        apply(live, thing(data={"b": "4"}), "two")
    status = caught.value.to_status()
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.b'
    assert status["details"] == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.b"}]
    }
    assert (status["code"], status["reason"]) == (409, "Conflict")


def test_several_conflicts_are_listed_by_manager():
    live = apply({}, thing(data={"b": "3", "a": "1"}))
    live = update(live, "curl", spec={"replicas": 2})
    with pytest.raises(StatusError) as caught:
        apply(live, thing(data={"a": "4", "b": "4"}, spec={"replicas": 9}), "two")
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "curl" using ex/v1:\n- .spec.replicas\n'
        'conflicts with "one":\n- .data.a\n- .data.b'
    )


def test_force_takes_the_field_over():
    live = apply({}, thing(data={"b": "3", "c": "1"}))
    live = apply(live, thing(data={"b": "4"}), "two", force=True)
    assert live["data"] == {"b": "4", "c": "1"}
    assert owned(live) == {("one", "Apply"): {"f:data": {"f:c": {}}}, ("two", "Apply"): {"f:data": {"f:b": {}}}}


def test_the_same_value_is_shared():
    live = apply(apply({}, thing(data={"b": "3"})), thing(data={"b": "3"}), "two")
    assert owned(live) == {("one", "Apply"): {"f:data": {"f:b": {}}}, ("two", "Apply"): {"f:data": {"f:b": {}}}}
    # Given up by one, it stays for the other; given up by both, it goes.
    live = apply(live, thing(), "one")
    assert live["data"] == {"b": "3"} and list(owned(live)) == [("two", "Apply")]
    live = apply(live, thing(), "two")
    assert "data" not in live and owned(live) == {}


def test_what_an_update_changed_is_not_taken_away():
    live = apply({}, thing(data={"a": "1", "b": "2"}))
    live = update(live, data={"a": "1", "b": "changed"})
    assert owned(live)[("one", "Apply")] == {"f:data": {"f:a": {}}}
    live = apply(live, thing(data={"a": "1"}))
    assert live["data"] == {"a": "1", "b": "changed"}


def test_an_update_that_removes_leaves_no_owner():
    live = apply({}, thing(data={"a": "1", "b": "2"}))
    live = update(live, data={"a": "1"})
    assert owned(live) == {("one", "Apply"): {"f:data": {"f:a": {}}}}


def test_items_of_a_map_list_come_and_go_by_key():
    first = thing(spec={"items": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]})
    live = apply({}, first)
    live = apply(live, thing(spec={"items": [{"name": "c", "image": "3"}]}), "two")
    assert [item["name"] for item in live["spec"]["items"]] == ["a", "b", "c"]
    live = apply(live, thing(spec={"items": [{"name": "b", "image": "2"}]}))
    assert [item["name"] for item in live["spec"]["items"]] == ["b", "c"]


def test_the_order_of_a_list_is_the_configurations():
    live = apply({}, thing(spec={"items": [{"name": n} for n in "abc"]}))
    live = apply(live, thing(spec={"items": [{"name": n} for n in "cba"]}))
    assert [item["name"] for item in live["spec"]["items"]] == ["c", "b", "a"]


def test_keys_that_are_left_out_have_their_defaults():
    live = thing(spec={"ports": [{"port": 80, "protocol": "TCP", "name": "web"}]})
    live = apply(live, thing(spec={"ports": [{"port": 80, "name": "http"}]}), force=True)
    assert live["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "name": "http"}]


def test_sets_are_joined():
    live = apply({}, thing(metadata={"name": "t", "finalizers": ["a"]}))
    live = apply(live, thing(metadata={"name": "t", "finalizers": ["b"]}), "two")
    assert live["metadata"]["finalizers"] == ["a", "b"]
    live = apply(live, thing(metadata={"name": "t"}))
    assert live["metadata"]["finalizers"] == ["b"]
    assert owned(live) == {("two", "Apply"): {"f:metadata": {"f:finalizers": {'v:"b"': {}}}}}


def groups(**members):
    return thing(
        spec={"groups": [{"name": name, **({"members": list(each)} if each else {})} for name, each in members.items()]}
    )


def shown(live):
    return {group["name"]: "".join(group.get("members", [])) for group in live["spec"]["groups"]}


def test_what_hangs_below_an_item_goes_with_it():
    live = apply({}, groups(a="", b="c"))
    live = apply(live, groups(a="b"), "two")
    live = update(live, spec={"groups": [{"name": "a", "members": ["b"]}, {"name": "b", "members": ["c", "d"]}]})
    live = apply(live, groups(a=""))
    assert shown(live) == {"a": "b"}
    assert ("other", "Update") not in owned(live)


def test_an_item_that_another_holds_stays_with_what_others_put_below():
    live = apply({}, groups(a="", b="c"))
    live = apply(live, groups(b="d"), "two")
    live = update(live, spec={"groups": [{"name": "a"}, {"name": "b", "members": ["c", "d", "e"]}]})
    live = apply(live, groups(a=""))
    assert shown(live) == {"a": "", "b": "de"}


def test_null_leaves_what_others_have_put_into_a_map():
    live = apply({}, thing(spec={"text": "a"}))
    live = update(live, spec={"text": "a", "replicas": 1})
    for spec in (None, {}):
        after = apply(live, thing(spec=spec))
        assert after["spec"] == {"replicas": 1}
        assert owned(after) == {("one", "Apply"): {"f:spec": {}}, ("other", "Update"): {"f:spec": {"f:replicas": {}}}}


def test_maps_without_a_schema_grow_and_go_as_others_do():
    free = shape_of(TYPES.get("raw"), is_custom=True)

    def step(live, config, name, *, is_update=False):
        if not is_update:
            obj, entries = apply_configuration(free, live, config, writer(name, reset={}))
        else:
            entries = update_entries(free, live, config, writer(name, reset={}))
            obj = config
        return {**obj, "metadata": {"managedFields": entries}}

    live = step({}, {"a": {"b": None}, "c": {"d": None}}, "one")
    live = step(live, {"a": None, "c": {"d": None}}, "two")
    live = step(live, {"a": {"b": {"c": None}}, "c": {"d": {"e": None}}}, "x", is_update=True)
    live = step(live, {"a": {"b": {"c": {"d": None}}}, "c": {"d": {"e": {"f": None}}}}, "y", is_update=True)
    live = step(live, {}, "one")
    assert live["c"] == {"d": {"e": {"f": None}}} and not live["a"]
    assert owned(live) == {
        ("two", "Apply"): {"f:a": {}, "f:c": {".": {}, "f:d": {}}},
        ("x", "Update"): {"f:c": {"f:d": {"f:e": {}}}},
        ("y", "Update"): {"f:c": {"f:d": {"f:e": {"f:f": {}}}}},
    }


def test_atomic_values_are_owned_whole():
    live = apply({}, thing(spec={"selector": {"a": "b"}}))
    with pytest.raises(StatusError, match=r"conflict with .one.: \.spec\.selector"):
        apply(live, thing(spec={"selector": {"c": "d"}}), "two")
    live = apply(live, thing(spec={"selector": {"c": "d"}}))
    assert live["spec"]["selector"] == {"c": "d"}


def test_status_is_not_owned_through_the_main_resource():
    live = apply({}, thing(status={"replicas": 1}, data={"a": "1"}))
    assert owned(live) == {("one", "Apply"): {"f:data": {"f:a": {}}}}
    live = apply(live, thing(status={"replicas": 2}), subresource="status", reset={"f:spec": {}, "f:data": {}})
    assert [(e["manager"], e.get("subresource")) for e in live["metadata"]["managedFields"]] == [
        ("one", None),
        ("one", "status"),
    ]


def test_the_first_apply_finds_an_owner_for_what_is_there():
    live = apply(thing(data={"a": "1"}), thing(data={"b": "1"}))
    assert owned(live) == {
        ("one", "Apply"): {"f:data": {"f:b": {}}},
        ("before-first-apply", "Update"): {"f:data": {".": {}, "f:a": {}}},
    }
    with pytest.raises(StatusError, match='conflict with "before-first-apply" using ex/v1: .data.a'):
        apply(thing(data={"a": "1"}), thing(data={"a": "2"}))


def test_an_object_without_entries_is_not_tracked_by_updates():
    live = thing(data={"a": "1"})
    assert update(live, data={"a": "2"})["metadata"]["managedFields"] == []


def test_clients_can_reset_or_replace_entries():
    live = apply({}, thing(data={"a": "1"}))
    new = bare(live)
    assert update_entries(SHAPE, live, new, writer(), []) == []
    assert update_entries(SHAPE, live, new, writer(), [{}]) == []
    entry = dict(live["metadata"]["managedFields"][0], manager="renamed")
    assert update_entries(SHAPE, live, new, writer(), [entry]) == [entry]
    known = live["metadata"]["managedFields"]
    for bad in ([{"manager": "x"}], [{"operation": "Update", "apiVersion": "v1", "fieldsType": "V0"}]):
        assert update_entries(SHAPE, live, new, writer(), bad) == known


def test_entries_are_in_order():
    live = apply({}, thing(data={"a": "1"}), "zoe", now="2026-01-01T00:00:09Z")
    live = update(live, "late", "2026-01-01T00:00:08Z", spec={"replicas": 1})
    live = update(live, "early", "2026-01-01T00:00:05Z", spec={"replicas": 1, "text": "x"})
    live = apply(live, thing(data={"b": "1"}), "amy", now="2026-01-01T00:00:09Z")
    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == ["amy", "zoe", "early", "late"]


def test_old_updates_become_one_entry():
    live = apply({}, thing(data={"a": "1"}))
    data = {"a": "1"}
    for number in range(12):
        data = {**data, f"k{number}": "x"}
        live = update(live, f"m{number:02}", f"2026-01-01T00:01:{number:02}Z", data=data)
    entries = live["metadata"]["managedFields"]
    updates = [entry for entry in entries if entry["operation"] == "Update"]
    assert [entry["manager"] for entry in updates] == ["ancient-changes", *(f"m{number:02}" for number in range(3, 12))]
    assert updates[0]["fieldsV1"] == {"f:data": {"f:k0": {}, "f:k1": {}, "f:k2": {}}}
    assert updates[0]["time"] == "2026-01-01T00:01:02Z"


def test_applying_again_changes_nothing_not_even_the_time():
    config = thing(data={"a": "1"})
    live = apply({}, config)
    again = apply(live, config, now="2027-01-01T00:00:00Z")
    assert again == live


def test_what_kubectl_applied_from_its_side_is_no_conflict():
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    applied = json.dumps(thing(data={"a": "1"}))
    live = thing(metadata={"name": "t", "annotations": {annotation: applied}}, data={"a": "1", "b": "1"})
    live["metadata"]["managedFields"] = create_entries(SHAPE, live, writer("kubectl-client-side-apply"))
    assert apply(live, thing(data={"a": "2"}), "kubectl")["data"] == {"a": "2", "b": "1"}
    with pytest.raises(StatusError, match=r"1 conflict: .*: \.data\.b$"):
        apply(live, thing(data={"a": "2", "b": "2"}), "kubectl")
    with pytest.raises(StatusError, match="conflict"):
        apply(live, thing(data={"a": "2"}), "other")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"bogus": 1}, ".spec.bogus: field not declared in schema"),
        ({"replicas": "x"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"text": 1}, ".spec.text: expected string, got &value.valueUnstructured{Value:1}"),
        ({"paused": "x"}, '.spec.paused: expected boolean, got &value.valueUnstructured{Value:"x"}'),
        ({"items": "no"}, ".spec.items: expected list, got &{no}"),
        ({"items": [{"name": "a"}, {"name": "a"}]}, '.spec.items: duplicate entries for key [name="a"]'),
        (
            {"items": [{"image": "a"}]},
            '.spec.items: element 0: associative list with keys has an element that omits key field "name" '
            "(and doesn't have default value)",
        ),
    ],
)
def test_what_does_not_fit_the_type_is_said(spec, text):
    with pytest.raises(StatusError) as caught:
        apply({}, thing(spec=spec))
    assert caught.value.message == f"failed to create typed patch object (/t; ex/v1, Kind=Thing): {text}"
    assert caught.value.code == 500 and "reason" not in caught.value.to_status()


def test_what_became_atomic_is_owned_whole():
    live = apply({}, thing(spec={"selector": {"a": "b"}}))
    live["metadata"]["managedFields"][0]["fieldsV1"] = {"f:spec": {"f:selector": {"f:a": {}}}}
    with pytest.raises(StatusError, match=r"conflict with .one.: \.spec\.selector"):
        apply(live, thing(spec={"selector": {"c": "d"}}), "two")


def test_managed_fields_cannot_be_applied():
    with pytest.raises(StatusError, match=r"metadata\.managedFields must be nil"):
        apply({}, thing(metadata={"name": "t", "managedFields": [{}]}))


KEYS = st.sampled_from("abc")
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "data": st.dictionaries(KEYS, st.sampled_from("12"), min_size=1, max_size=3),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(1, 2),
                "items": st.lists(
                    st.fixed_dictionaries({"name": KEYS}, optional={"image": st.sampled_from("12")}),
                    unique_by=lambda item: item["name"],
                    min_size=1,
                    max_size=3,
                ),
                "selector": st.dictionaries(KEYS, st.sampled_from("12"), min_size=1, max_size=2),
            },
        ).filter(bool),
    },
).map(lambda parts: thing(**parts))


@given(CONFIGS, CONFIGS)
def test_applying_twice_is_applying_once(first, second):
    live = apply(apply({}, first), second, "two", force=True)
    assert apply(live, second, "two", now="2027-01-01T00:00:00Z") == live


@given(st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), CONFIGS), max_size=6), CONFIGS)
def test_everybody_who_lets_go_leaves_nothing(steps, last):
    live = {}
    for name, config in steps:
        live = apply(live, config, name, force=True)
    live = apply(live, last, "four", force=True)
    for name in ("one", "two", "three"):
        live = apply(live, thing(), name)
    assert owned(live) == owned(apply({}, last, "four"))
    # Nothing but what the last one holds is left, up to the order of items.
    ordered = bare(live)
    wanted = bare(apply({}, last, "four"))
    for each in (ordered, wanted):
        if "items" in each.get("spec", {}):
            each["spec"] = {**each["spec"], "items": sorted(each["spec"]["items"], key=lambda item: item["name"])}
    assert ordered == wanted


@given(CONFIGS, CONFIGS)
def test_a_field_goes_only_when_its_last_owner_lets_it_go(first, second):
    live = apply(apply({}, first), second, "two", force=True)
    kept = apply(live, thing(), "one")
    for key, value in second.get("data", {}).items():
        assert kept["data"][key] == value
    for key in first.get("data", {}):
        if key not in second.get("data", {}):
            assert key not in kept.get("data", {})


@given(CONFIGS, CONFIGS)
def test_an_update_that_changes_nothing_changes_no_entry(first, second):
    live = apply(apply({}, first), second, "two", force=True)
    assert update_entries(SHAPE, live, bare(live), writer("x")) == live["metadata"]["managedFields"]


def test_times_alone_are_no_difference():
    entry = {"manager": "x", "operation": "Update", "time": "1"}
    assert equal_but_for_times([entry], [{**entry, "time": "2"}])
    assert not equal_but_for_times([entry], [{**entry, "manager": "y"}])


def leaves(obj, path=(), fields=None):
    """path → value of all that can be owned, found without shapes: what a map, a list or a scalar is, is written down here."""
    found = {}
    kinds = {"selector": "atomic", "args": "atomic", "items": "name", "ports": "port", "finalizers": "set"}
    for key, value in obj.items():
        here = (*path, f"f:{key}")
        kind = kinds.get(key)
        if kind == "atomic" or not isinstance(value, dict | list) or not value:
            found[here] = value
        elif isinstance(value, dict):
            found |= {here: ...} | leaves(value, here)
        else:
            found[here] = ...
            for item in value:
                if kind == "set":
                    found[(*here, f"v:{json.dumps(item)}")] = item
                else:
                    below = (*here, f"k:{json.dumps({kind: item[kind]}, separators=(',', ':'))}")
                    found |= {below: ...} | leaves(item, below)
    return found


def members(node, prefix=()):
    found = set()
    for label, inner in node.items():
        if label != ".":
            path = (*prefix, label)
            if not inner or "." in inner:
                found.add(path)
            found |= members(inner, path)
    return found


@given(CONFIGS, CONFIGS)
def test_what_an_update_changes_is_what_differs_leaf_by_leaf(old, new):
    changed, removed = compare(SHAPE, old, new)
    before, after = leaves(old), leaves(new)
    assert members(changed) == {path for path, value in after.items() if path not in before or before[path] != value}
    assert members(removed) == {path for path in before if path not in after}
