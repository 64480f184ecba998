"""Server-side apply of custom resources: list and map types of their schema, and what has no schema."""

from __future__ import annotations

import asyncio

import pytest

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/ex.io/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"

PORT = {
    "type": "object",
    "required": ["port"],
    "properties": {
        "port": {"type": "integer"},
        "protocol": {"type": "string", "default": "TCP"},
        "name": {"type": "string"},
    },
}
SPEC = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer"},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": PORT,
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "args": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "whole": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"},
        },
        "groups": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "x-kubernetes-list-type": "set",
                "items": {"type": "string"},
            },
        },
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.ex.io"},
    "spec": {
        "group": "ex.io",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": SPEC,
                            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
async def widgets(api):
    await api.ok("POST", CRDS, DEFINITION)
    async with asyncio.timeout(20):
        while True:
            if (await api.call("GET", WIDGETS))[0] == 200:
                return api
            await asyncio.sleep(0)


def widget(**spec):
    return {"apiVersion": "ex.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def owners(obj):
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in obj["metadata"]["managedFields"]
    }


async def test_a_custom_resource_is_owned_down_to_what_its_schema_knows(widgets):
    made = await widgets.ok("POST", WIDGETS, {**widget(replicas=1, free={"a": {"b": [1]}}), "status": {"replicas": 1}})
    assert owners(made) == {
        ("tester", "Update", ""): {
            "f:spec": {".": {}, "f:replicas": {}, "f:free": {".": {}, "f:a": {".": {}, "f:b": {}}}}
        }
    }


async def test_lists_and_maps_by_their_types(widgets):
    spec = {
        "ports": [{"port": 80, "name": "web"}],
        "tags": ["a"],
        "args": ["x"],
        "whole": {"k": "v"},
        "groups": {"g": ["m"]},
        "free": {"x": {"y": 1}},
    }
    status, made = await widgets.apply(f"{WIDGETS}/w", widget(**spec))
    assert status == 201, made
    assert made["spec"]["ports"] == [{"port": 80, "name": "web", "protocol": "TCP"}]
    assert owners(made)[("one", "Apply", "")]["f:spec"] == {
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}}},
        "f:tags": {'v:"a"': {}},
        "f:args": {},
        "f:whole": {},
        "f:groups": {"f:g": {".": {}, 'v:"m"': {}}},
        "f:free": {"f:x": {".": {}, "f:y": {}}},
    }
    other = {
        "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "name": "web"}],
        "tags": ["b"],
        "groups": {"g": ["n"]},
        "free": {"x": {"z": 2}},
    }
    status, both = await widgets.apply(f"{WIDGETS}/w", widget(**other), "two")
    assert status == 200, both
    assert both["spec"]["tags"] == ["a", "b"]
    assert both["spec"]["groups"] == {"g": ["m", "n"]}
    assert both["spec"]["free"] == {"x": {"y": 1, "z": 2}}
    assert {port["protocol"] for port in both["spec"]["ports"]} == {"TCP", "UDP"}
    status, error = await widgets.apply(f"{WIDGETS}/w", widget(whole={"other": "v"}, args=["y"]), "two")
    assert (status, error["message"]) == (
        409,
        'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.args\n- .spec.whole',
    )
    status, left = await widgets.apply(f"{WIDGETS}/w", widget(), "one")
    assert left["spec"] == {
        "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "name": "web", "protocol": "TCP"}],
        "tags": ["b"],
        "groups": {"g": ["n"]},
        "free": {"x": {"z": 2}},
    }


async def test_what_the_schema_does_not_know_cannot_be_applied(widgets):
    status, error = await widgets.apply(f"{WIDGETS}/w", widget(bogus=1))
    assert (status, error["message"]) == (
        500,
        "failed to create typed patch object (/w; ex.io/v1, Kind=Widget): .spec.bogus: field not declared in schema",
    )


async def test_status_and_scale_of_custom_resources(widgets):
    await widgets.apply(f"{WIDGETS}/w", widget(replicas=1))
    body = {**widget(replicas=7), "status": {"replicas": 3}}
    status, seen = await widgets.apply(f"{WIDGETS}/w/status", body, "controller")
    assert (status, seen["spec"], seen["status"]) == (200, {"replicas": 1}, {"replicas": 3})
    assert owners(seen)[("controller", "Apply", "status")] == {"f:status": {"f:replicas": {}}}
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "w"}, "spec": {"replicas": 5}}
    status, seen = await widgets.apply(f"{WIDGETS}/w/scale", scale, "scaler", "&force=true")
    assert (status, seen["spec"]) == (200, {"replicas": 5})
    obj = await widgets.ok("GET", f"{WIDGETS}/w")
    assert owners(obj)[("scaler", "Apply", "scale")] == {"f:spec": {"f:replicas": {}}}
    assert ("one", "Apply", "") not in owners(obj)


async def test_true_is_not_one(widgets):
    made = await widgets.ok("POST", WIDGETS, widget(free={"a": 1}))
    changed = await widgets.ok("PATCH", f"{WIDGETS}/w", {"spec": {"free": {"a": True}}}, type=MERGE)
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert changed["spec"]["free"]["a"] is True
