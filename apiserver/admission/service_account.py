"""ServiceAccount: a pod runs as an account that exists, and finds the account's token where clients look for it.

    spec.serviceAccountName        "default", unless the pod says another
    volume kube-api-access-XXXXX   token, CA and namespace, mounted into every container, unless pod or account say no
    spec.imagePullSecrets          the account's, where the pod has none

A controller makes the default account of a new namespace, so a pod that comes too early waits for it, a second at most.
Mirror pods are left alone: they are what a node runs already.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.admission.attributes import CREATE, Attributes, Plugin, is_about, refuse
from apiserver.meta import NAME_ALPHABET

Object = dict[str, Any]
Sleep = Callable[[float], Awaitable[None]]

DEFAULT = "default"
VOLUME = "kube-api-access-"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
ROOT_CA = "kube-root-ca.crt"
MIRROR = "kubernetes.io/config.mirror"

ATTEMPTS = 10
RETRY_S = 0.1


def build_plugin(sleep: Sleep = asyncio.sleep) -> Plugin:
    async def mutate(attributes: Attributes) -> None:
        pod = attributes.obj
        if attributes.operation != CREATE or not is_about(attributes, "pods") or pod is None:
            return
        spec = pod["spec"]
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            _check_mirror(attributes, spec)
            return
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = DEFAULT
        spec["serviceAccount"] = spec["serviceAccountName"]
        account = await _account(attributes, spec["serviceAccountName"], sleep)
        if _mounts_token(spec, account):
            _mount_token(spec, pod["metadata"].get("uid", ""))
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]

    return Plugin("ServiceAccount", mutate=mutate, resources=("pods",))


PLUGIN = build_plugin()


def _check_mirror(attributes: Attributes, spec: Object) -> None:
    if spec.get("serviceAccountName"):
        raise refuse(attributes, "a mirror pod may not reference service accounts")
    for volume in spec.get("volumes") or ():
        for kind in ("secret", "configMap", "persistentVolumeClaim"):
            if volume.get(kind) is not None:
                what = {"secret": "secrets", "configMap": "configmaps"}.get(kind, "persistentvolumeclaims")
                raise refuse(attributes, f"a mirror pod may not reference {what}")


async def _account(attributes: Attributes, name: str, sleep: Sleep) -> Object:
    """The account; the default one is waited for. Raises Forbidden."""
    namespace = attributes.namespace
    for attempt in range(ATTEMPTS if name == DEFAULT else 1):
        if attempt:
            await sleep(RETRY_S)
        account = await attributes.find("serviceaccounts", namespace, name)
        if account is not None:
            return account
    why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
    raise refuse(attributes, why)


def _mounts_token(spec: Object, account: Object) -> bool:
    said = spec.get("automountServiceAccountToken")
    if said is None:
        said = account.get("automountServiceAccountToken")
    return said is not False


def _mount_token(spec: Object, uid: str) -> None:
    volumes = spec.get("volumes") or []
    name = next((volume["name"] for volume in volumes if volume.get("name", "").startswith(VOLUME)), "")
    exists = bool(name)
    name = name or VOLUME + _suffix(uid)
    mounted = False
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        mounts = container.setdefault("volumeMounts", [])
        if not any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
            mounted = True
    if mounted and not exists:
        spec["volumes"] = [*volumes, {"name": name, "projected": _token_sources()}]


def _suffix(uid: str) -> str:
    """Five characters, taken from the pod's uid, which is random enough."""
    number = zlib.crc32(uid.encode())
    chars = []
    for _ in range(5):
        number, place = divmod(number, len(NAME_ALPHABET))
        chars.append(NAME_ALPHABET[place])
    return "".join(chars)


def _token_sources() -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }
