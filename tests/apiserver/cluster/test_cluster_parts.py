"""Kubeconfigs and manifests: what is written where, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from apiserver.cluster import LocalCluster, ManifestError, apply_manifests, load_manifests, write_kubeconfig


def test_the_users_own_kubeconfig_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match="your own kubeconfig"):
        write_kubeconfig(Path("~/.kube/config"), "http://127.0.0.1:1")
    foreign = tmp_path / "other"
    foreign.write_text("current-context: production\n")
    with pytest.raises(ValueError, match="not a kubeconfig of a local cluster"):
        write_kubeconfig(foreign, "http://127.0.0.1:1")
    assert foreign.read_text() == "current-context: production\n"


def test_a_local_kubeconfig_may_be_written_again(tmp_path: Path):
    path = tmp_path / "deep" / "kubeconfig"
    write_kubeconfig(path, "http://127.0.0.1:1")
    write_kubeconfig(path, "http://127.0.0.1:2")
    assert "http://127.0.0.1:2" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "not YAML"), ("- 1", "expected an object"), ("kind: Pod", "needs apiVersion and kind")],
)
def test_manifests_that_cannot_be_applied(tmp_path: Path, text: str, said: str):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=said):
        load_manifests(path)


async def test_applying_twice_configures(tmp_path: Path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: List\nitems: []\n"
    )
    async with LocalCluster(nodes=0, controllers=None, scheduler=None) as cluster:
        objects = load_manifests(path)
        assert await apply_manifests(cluster.client(), objects) == ["configmap/a created"]
        assert await apply_manifests(cluster.client(), objects) == ["configmap/a configured"]
        with pytest.raises(ManifestError, match='no matches for kind "Nonsense"'):
            await apply_manifests(cluster.client(), [{"apiVersion": "v1", "kind": "Nonsense"}])
