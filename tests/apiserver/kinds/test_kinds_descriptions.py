"""Descriptions come from a package that need not be there; here from one that only looks like it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserver.kinds import descriptions


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty package kubernetes_validate, found before any other."""
    folder = tmp_path / "kubernetes_validate"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "kubernetes_validate", raising=False)
    descriptions._definitions.cache_clear()
    yield folder / "kubernetes-json-schema"
    sys.modules.pop("kubernetes_validate", None)
    descriptions._definitions.cache_clear()


def write(schemas: Path, version: str, text: str) -> None:
    folder = schemas / f"v{version}-local"
    folder.mkdir(parents=True)
    pod = {"description": text, "properties": {"spec": {"description": f"{text}: spec"}}}
    (folder / "_definitions.json").write_text(json.dumps({"$defs": {"io.k8s.api.core.v1.Pod": pod}}))
    (schemas / f"v{version}-local-strict").mkdir()


def test_the_nearest_version_speaks(package: Path):
    for version, text in (("1.25.0", "old"), ("1.36.0", "right"), ("1.37.0", "new")):
        write(package, version, text)
    assert descriptions.are_there()
    assert descriptions.describe("io.k8s.api.core.v1.Pod") == "right"
    assert descriptions.describe("io.k8s.api.core.v1.Pod", "spec") == "right: spec"
    assert descriptions.describe("io.k8s.api.core.v1.Pod", "other") == ""
    assert descriptions.describe("io.k8s.api.core.v1.Other") == ""


def test_without_words_nothing_is_said(package: Path):
    package.mkdir()
    assert not descriptions.are_there()
    assert descriptions.describe("io.k8s.api.core.v1.Pod") == ""
