"""The kubeconfig that points clients at a local cluster, and at nothing else."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from apiserver.server import Credentials

NAME = "kvcluster"


NO_CREDENTIALS = Credentials()


def build_kubeconfig(url: str, credentials: Credentials = NO_CREDENTIALS) -> dict[str, Any]:
    """A v1 Config with one cluster, one user and one context, all of the same name."""
    cluster = {"server": url}
    if credentials.ca:
        cluster["certificate-authority-data"] = _encode(credentials.ca)
    user = {}
    if credentials.certificate:
        user["client-certificate-data"] = _encode(credentials.certificate)
        user["client-key-data"] = _encode(credentials.key)
    if credentials.token:
        user["token"] = credentials.token
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
    }


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def write_kubeconfig(path: Path, url: str, credentials: Credentials = NO_CREDENTIALS) -> None:
    """Writes it for the owner only. The user's own ~/.kube/config is never touched: raises ValueError for it.

    A file that is there and does not name a local cluster of ours is not overwritten either (ValueError).
    """
    path = path.expanduser().absolute()
    if path == Path("~/.kube/config").expanduser():
        raise ValueError(f"{path} is your own kubeconfig; name another file")
    if path.exists():
        try:
            known = yaml.safe_load(path.read_text()) or {}
            ours = isinstance(known, dict) and known.get("current-context") == NAME
        except yaml.YAMLError:
            ours = False
        if not ours:
            raise ValueError(f"{path} exists and is not a kubeconfig of a local cluster; name another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(build_kubeconfig(url, credentials), file, sort_keys=False)
    beside.replace(path)
