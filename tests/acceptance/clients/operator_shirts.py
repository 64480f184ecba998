"""A kopf operator, run by `kopf run` in test_clients_kopf.py: every shirt gets a config map and a status."""

from __future__ import annotations

import kopf
import pykube


@kopf.on.startup()
def configure(settings, **_):
    settings.posting.level = 20
    settings.peering.standalone = True


@kopf.on.create("stable.example.com", "v1", "shirts")
def created(spec, name, namespace, patch, **_):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-label", "namespace": namespace}}
    body["data"] = {"colour": spec["colour"]}
    kopf.adopt(body)
    api = pykube.HTTPClient(pykube.KubeConfig.from_env())
    pykube.ConfigMap(api, body).create()
    patch.status["worn"] = 1


@kopf.on.update("stable.example.com", "v1", "shirts", field="spec.size")
def resized(new, name, namespace, **_):
    api = pykube.HTTPClient(pykube.KubeConfig.from_env())
    pykube.ConfigMap.objects(api, namespace=namespace).get_by_name(f"{name}-label").patch({"data": {"size": new}})


@kopf.on.delete("stable.example.com", "v1", "shirts")
def deleted(**_):
    """Its being here makes kopf hold the object by a finalizer."""
