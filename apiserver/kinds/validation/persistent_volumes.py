"""Persistent volumes: storage of the cluster. What they are of never changes."""

from __future__ import annotations

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.claims import VOLUME_MODES, access_modes, local_needs_nodes, volume_nodes
from apiserver.kinds.validation.values import Object, choice, dns_subdomain, positive_quantity, unchanged
from apiserver.kinds.validation.volumes import volume_source
from apiserver.meta import forbidden, invalid, not_supported, required, shown

SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")


def volume_spec(spec: Object, path: str) -> list[Cause]:
    modes, capacity = spec.get("accessModes") or [], spec.get("capacity") or {}
    causes = [] if modes else [required(f"{path}.accessModes")]
    causes += access_modes(modes, f"{path}.accessModes")
    if not capacity:
        causes.append(required(f"{path}.capacity"))
    if "storage" not in capacity or len(capacity) > 1:
        causes.append(not_supported(f"{path}.capacity", capacity or None, ("storage",)))
    for name, amount in capacity.items():
        causes += positive_quantity(f"{path}.capacity[{name}]", amount)
    policy = spec.get("persistentVolumeReclaimPolicy")
    causes += choice(f"{path}.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES, optional=True)
    causes += volume_nodes(spec.get("nodeAffinity"), f"{path}.nodeAffinity")
    causes += volume_source(spec, path, SOURCES)
    causes += local_needs_nodes(spec, "metadata.annotations")
    host = spec.get("hostPath")
    if host and policy == "Recycle" and host.get("path", "").rstrip("/") == "":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        causes.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", why))
    if spec.get("csi") is not None and not spec["csi"].get("volumeHandle"):
        causes.append(required(f"{path}.csi.volumeHandle"))
    if spec.get("storageClassName"):
        causes += dns_subdomain(f"{path}.storageClassName", spec["storageClassName"])
    if spec.get("volumeMode") is not None:
        causes += choice(f"{path}.volumeMode", spec["volumeMode"], VOLUME_MODES)
    reference = spec.get("claimRef")
    if reference is not None and not reference.get("name"):
        causes.append(invalid(f"{path}.claimRef.name", "", "must not be empty"))
    return causes


validate_volume = validator(lambda volume: volume_spec(volume.get("spec") or {}, "spec"), namespaced=False)


def _change(volume: Object, old: Object) -> list[Cause]:
    spec, before = volume.get("spec") or {}, old.get("spec") or {}
    source = {kind: _essence(spec[kind]) for kind in SOURCES if kind in spec}
    was = {kind: _essence(before[kind]) for kind in SOURCES if kind in before}
    causes: list[Cause] = []
    if source != was:
        why = "spec.persistentvolumesource is immutable after creation"
        causes.append(forbidden("spec.persistentvolumesource", f"{why}\n- {shown(was)}\n+ {shown(source)}\n"))
    causes += unchanged("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if before.get("nodeAffinity") is not None:
        causes += unchanged("nodeAffinity", spec.get("nodeAffinity"), before["nodeAffinity"])
    return causes


def _essence(source: Object) -> Object:
    """Without the secret of expansion, which may be set afterwards."""
    return {
        key: value for key, value in source.items() if key not in ("controllerExpandSecretRef", "nodeExpandSecretRef")
    }


validate_volume_update = update_validator(_change)
