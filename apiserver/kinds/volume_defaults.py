"""What the API server fills into volumes: those of pods, and persistent ones.

Source: Kubernetes pkg/apis/core/v1/defaults.go, and the defaults that its types declare.
"""

from __future__ import annotations

import re
from typing import Any

from apiserver.kinds.strategy import round_amounts, set_missing

Object = dict[str, Any]

_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600

# Kinds of storage whose fields have defaults, wherever they stand.
_SOURCE_DEFAULTS: dict[str, Object] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}

_DIGEST = re.compile(r"@[A-Za-z0-9_+.-]+:[0-9a-fA-F]{32,}$")
_TAG = re.compile(r":([\w][\w.-]*)$")


def pull_policy(image: str) -> str:
    """Always for an image that names no version: no digest, and no tag or the tag "latest"."""
    if _DIGEST.search(image):
        return "IfNotPresent"
    tag = _TAG.search(image.rpartition("/")[2])
    return "Always" if tag is None or tag[1] == "latest" else "IfNotPresent"


def default_field_ref(source: Object) -> None:
    if source.get("fieldRef"):
        set_missing(source["fieldRef"], "apiVersion", "v1")


def default_volume(volume: Object) -> None:
    """A volume of a pod. One that says nothing is an empty directory."""
    if all(key == "name" for key in volume):
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", _FILE_MODE)
    _default_source(volume)
    if "image" in volume:
        set_missing(volume["image"], "pullPolicy", pull_policy(volume["image"].get("reference", "")))
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        default_field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            default_field_ref(item)
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_SECONDS)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim:
        claim.setdefault("metadata", {})
        default_claim_spec(claim.setdefault("spec", {}))


def _default_source(source: Object) -> None:
    if "hostPath" in source:
        source["hostPath"].setdefault("type", "")
    for kind, fields in _SOURCE_DEFAULTS.items():
        if kind in source:
            for field, value in fields.items():
                set_missing(source[kind], field, value)


def default_claim_spec(spec: Object) -> None:
    spec.setdefault("volumeMode", "Filesystem")
    resources = spec.setdefault("resources", {})
    round_amounts(resources.get("requests"))
    round_amounts(resources.get("limits"))


def default_persistent_volume(volume: Object) -> None:
    spec = volume.setdefault("spec", {})
    set_missing(spec, "persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    _default_source(spec)
    round_amounts(spec.get("capacity"))
    set_missing(volume.setdefault("status", {}), "phase", "Pending")


def default_claim(claim: Object) -> None:
    default_claim_spec(claim.setdefault("spec", {}))
    set_missing(claim.setdefault("status", {}), "phase", "Pending")
