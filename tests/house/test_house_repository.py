"""What the repository promises of itself: fresh generated files, complete exports, a wheel exactly as declared."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_proto_is_fresh():
    """kvcluster/pb is what proto/*.proto compile to."""
    run = subprocess.run(
        [sys.executable, ROOT / "proto/build.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def _packages() -> list[str]:
    names = []
    for top in ("kvcluster", "apiserver"):
        for path in sorted((ROOT / top).rglob("__init__.py")):
            names.append(".".join(path.relative_to(ROOT).parent.parts))
    return names


@pytest.mark.parametrize("name", _packages())
def test_exports_are_declared_and_exist(name: str):
    """Every package names its public face in __all__, sorted or grouped, and every name is there."""
    module = importlib.import_module(name)
    if name == "kvcluster.pb":
        return
    assert module.__doc__, f"{name} has no contract"
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public), f"{name}.{public}"


def test_wheel_installs_exactly_two_packages(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"kvcluster", "apiserver"}
    assert "kvcluster/pb/descriptors.binpb" in names
    assert any(name.startswith("apiserver/nodes/stages/") for name in names)
    assert any(name.startswith("apiserver/kinds/") and name.endswith(".json") for name in names)


def test_dependencies_are_bounded_and_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {
        re.split(r"[=<>]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
        spec = requirement.split(";")[0]
        name = re.split(r"[=<>]", spec)[0].strip().lower()
        assert "<" in spec or "==" in spec, f"{spec} has no upper bound"
        assert name in locked, f"{name} is not in constraints.txt"


def test_the_project_speaks_of_itself_alone():
    """No machine paths, no secrets of how the text came to be."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    forbidden = re.compile(r"/(?:work|root|tmp/venv)/")
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt"} and path.exists():
            assert not forbidden.search(path.read_text()), name


def test_style_is_clean():
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_types_are_clean():
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_import_leaves_heavy_packages_alone():
    """`import kvcluster` is cheap: what is heavy is loaded when it is used."""
    code = (
        "import kvcluster, sys; print([m for m in ('grpc', 'aiohttp', 'typer', 'rich', 'uvloop') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
