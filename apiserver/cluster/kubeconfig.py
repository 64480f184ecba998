"""The kubeconfig that points clients at a local cluster, and at nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

NAME = "kvcluster"


def build_kubeconfig(url: str) -> dict[str, Any]:
    """A v1 Config with one cluster, one user without credentials and one context, all of the same name."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": {"server": url}}],
        "users": [{"name": NAME, "user": {}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
    }


def write_kubeconfig(path: Path, url: str) -> None:
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
        yaml.safe_dump(build_kubeconfig(url), file, sort_keys=False)
    beside.replace(path)
