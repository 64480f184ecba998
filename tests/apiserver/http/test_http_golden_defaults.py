"""What a real kube-apiserver 1.36.2 made of 63 minimal objects, replayed over the wire: defaults, admission and all.

The interactions are those of tests/apiserver/kinds (golden_defaults.json); here the whole answer is compared. Uids, times, and
what each server chooses for itself are replaced on both sides.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "kinds" / "testdata" / "golden_defaults.json"
INTERACTIONS = json.loads(DATA.read_text())["interactions"]

_UID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")
_TIME = re.compile(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
_ACCESS_VOLUME = re.compile(r"^kube-api-access-[a-z0-9]{5}$")

DIFFERENCES = {
    "create Pod generateName": "the end of the name is random",
    "create SelfSubjectAccessReview": "the message shows Go's managedFields, with the time of the request",
    "create SelfSubjectReview": "the user of the recording is not ours",
}


def _normal(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if "clusterIP" in value and value["clusterIP"] not in ("None", ""):
            value = {**value, "clusterIP": "<ip>", "clusterIPs": ["<ip>"]}
        if "nodePort" in value or "healthCheckNodePort" in value:
            value = {**value, **{name: 1 for name in ("nodePort", "healthCheckNodePort") if name in value}}
        return {k: _normal(v, k) for k, v in value.items() if k not in ("managedFields", "resourceVersion")}
    if isinstance(value, list):
        items = [_normal(item) for item in value]
        # The recording was made by a build that mounts one more certificate.
        return [item for item in items if "openshift-service-ca.crt" not in json.dumps(item) or key != "sources"]
    if isinstance(value, str):
        if _UID.match(value):
            return "<uid>"
        if _TIME.match(value):
            return "<time>"
        if _ACCESS_VOLUME.match(value):
            return "<access>"
    return value


async def test_golden_defaults(http):
    await http.call("POST", "/api/v1/namespaces", {"metadata": {"name": "golden"}})
    await http.call("POST", "/api/v1/namespaces/golden/serviceaccounts", {"metadata": {"name": "default"}})
    wrong = []
    for interaction in INTERACTIONS:
        if interaction["name"] in DIFFERENCES:
            continue
        status, answer, _ = await http.call(
            interaction["method"], interaction["path"], interaction["body"], Content_Type=interaction["contentType"]
        )
        expected = _normal(interaction["response"])
        if (status, _normal(answer)) != (interaction["status"], expected):
            wrong.append((interaction["name"], status, _difference(_normal(answer), expected)))
    assert not wrong, json.dumps(wrong, indent=1)


def _difference(ours: Any, theirs: Any, path: str = "") -> list[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = []
        for key in sorted({*ours, *theirs}):
            found += _difference(ours.get(key, "<absent>"), theirs.get(key, "<absent>"), f"{path}.{key}")
        return found
    return [] if ours == theirs else [f"{path}: {ours!r}, not {theirs!r}"]


# The other versions over the wire -----------------------------------------------------------------------------------


async def test_an_autoscaler_is_read_written_and_watched_in_both_versions(http):
    v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    v2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    spec = {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}
    watch = await http.watch("timeoutSeconds=20", v1)
    status, made, _ = await http.call(
        "POST",
        v2,
        {"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "x"}, "spec": spec},
    )
    assert status == 201, made
    event = await watch.next()
    watch.close()
    assert (event["type"], event["object"]["apiVersion"]) == ("ADDED", "autoscaling/v1")
    assert event["object"]["spec"]["targetCPUUtilizationPercentage"] == 80
    patch = {"spec": {"targetCPUUtilizationPercentage": 50}}
    status, patched, _ = await http.call("PATCH", f"{v1}/x", patch, Content_Type="application/merge-patch+json")
    assert status == 200, patched
    _, listed, _ = await http.call("GET", v2)
    (target,) = [metric["resource"]["target"] for metric in listed["items"][0]["spec"]["metrics"]]
    assert target == {"type": "Utilization", "averageUtilization": 50}
    assert (listed["apiVersion"], listed["items"][0]["apiVersion"]) == ("autoscaling/v2", "autoscaling/v2")


async def test_an_event_is_found_by_the_names_of_each_group(http):
    old = "/api/v1/namespaces/default/events"
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "x"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "m",
        "reason": "R",
        "type": "Normal",
    }
    status, made, _ = await http.call("POST", old, event)
    assert status == 201, made
    _, found, _ = await http.call("GET", f"{new}?fieldSelector=regarding.name%3Dp")
    assert [item["note"] for item in found["items"]] == ["m"]
    assert found["kind"] == "EventList" and found["apiVersion"] == "events.k8s.io/v1"
    status, _, _ = await http.call("GET", f"{new}?fieldSelector=involvedObject.name%3Dp")
    assert status == 400
    status, _, _ = await http.call("DELETE", f"{new}/x")
    assert status == 200
    assert (await http.call("GET", f"{old}/x"))[0] == 404


async def test_a_certificate_is_asked_for_by_somebody_and_approved_at_its_own_door(http):
    requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"
    body = {
        "metadata": {"name": "x"},
        "spec": {"request": pem, "signerName": "example.com/s", "usages": ["client auth"], "username": "somebody else"},
    }
    status, made, _ = await http.call("POST", requests, body)
    assert status == 201, made
    assert made["spec"].get("username") != "somebody else"
    made["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "R", "message": "m"}]}
    status, written, _ = await http.call("PUT", f"{requests}/x/status", made)
    assert (status, written["status"]) == (200, {})
    made["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"]
    status, approved, _ = await http.call("PUT", f"{requests}/x/approval", made)
    assert status == 200, approved
    assert [condition["type"] for condition in approved["status"]["conditions"]] == ["Approved"]
