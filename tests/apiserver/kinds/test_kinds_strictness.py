"""What a strict decoder says, word by word and in its order: unknown fields, duplicate fields, in JSON and YAML, at any depth.

The bodies and texts are those of Kubernetes' own field validation: what is unknown is named once and not looked into.
"""

from __future__ import annotations

import pytest

from apiserver.errors import Cause, StatusError, invalid
from apiserver.kinds import catalog, decode_body

JSON = b"""{
  "apiVersion": "apps/v1", "kind": "Deployment",
  "metadata": {"name": "d", "unknownMeta": 1, "labels": {"a": "1", "a": "2"},
               "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1", "odd": true}]},
  "spec": {
    "unknown1": "val1",
    "unknownDupe": {"a": 1, "a": 2},
    "unknownDupe": "val2",
    "paused": true,
    "paused": false,
    "selector": {"matchLabels": {"app": "nginx"}},
    "template": {
      "metadata": {"labels": {"app": "nginx"}, "unknownNestedMeta": "x"},
      "spec": {"containers": [{
        "name": "nginx", "image": "nginx", "unknownNested": "val1",
        "imagePullPolicy": "Always", "imagePullPolicy": "Never"}]}
    }
  }
}"""

YAML = b"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
spec:
  unknown1: val1
  unknownDupe: valDupe
  unknownDupe: valDupe2
  paused: true
  paused: false
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx
        unknownNested: val1
        imagePullPolicy: Always
        imagePullPolicy: Never
"""
DEPLOYMENTS = catalog.find("apps", "v1", "deployments")
assert DEPLOYMENTS is not None


def test_json_in_the_order_of_the_text():
    wanted = [
        'unknown field "metadata.unknownMeta"',
        'duplicate field "metadata.labels.a"',
        'unknown field "metadata.ownerReferences[0].odd"',
        'unknown field "spec.unknown1"',
        'unknown field "spec.unknownDupe"',
        'duplicate field "spec.paused"',
        'unknown field "spec.template.metadata.unknownNestedMeta"',
        'unknown field "spec.template.spec.containers[0].unknownNested"',
        'duplicate field "spec.template.spec.containers[0].imagePullPolicy"',
    ]
    body = decode_body(DEPLOYMENTS, JSON, field_validation="Warn")
    assert body.warnings == wanted
    assert "paused" not in body.obj["spec"]  # the last one counts, and what is false is not written
    with pytest.raises(StatusError) as caught:
        decode_body(DEPLOYMENTS, JSON, field_validation="Strict")
    assert caught.value.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ' + ", ".join(wanted)
    )
    assert decode_body(DEPLOYMENTS, JSON, field_validation="Ignore").warnings == []


def test_yaml_names_lines_and_then_fields_by_name():
    unknown = [
        'unknown field "spec.template.spec.containers[0].unknownNested"',
        'unknown field "spec.unknown1"',
        'unknown field "spec.unknownDupe"',
    ]
    lines = [
        'line 8: key "unknownDupe" already set in map',
        'line 10: key "paused" already set in map',
        'line 24: key "imagePullPolicy" already set in map',
    ]
    assert decode_body(DEPLOYMENTS, YAML, yaml=True, field_validation="Warn").warnings == lines + unknown
    with pytest.raises(StatusError) as caught:
        decode_body(DEPLOYMENTS, YAML, yaml=True, field_validation="Strict")
    assert caught.value.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: yaml: unmarshal errors:\n'
        + "\n".join(f"  {line}" for line in lines)
        + ", "
        + ", ".join(unknown)
    )


def test_lists_and_answers_are_bounded():
    containers = ",".join(["{}"] * 10_001)
    body = f'{{"spec":{{"template":{{"spec":{{"containers":[{containers}]}}}}}}}}'.encode()
    with pytest.raises(StatusError, match=r"spec\.template\.spec\.containers has more than 10000 items") as caught:
        decode_body(DEPLOYMENTS, body)
    assert caught.value.code == 400
    many = [Cause("FieldValueRequired", "Required value", f"spec.x[{index}]") for index in range(5000)]
    status = invalid("apps", "Deployment", "d", many).to_status()
    assert len(status["details"]["causes"]) == 1000
    assert len(status["message"]) < 50_000
