"""The import direction (tests/house/floors.toml), checked on the source of every module.

A package may import: its own floor's neighbours never, the packages its row names, the leaf modules, the standard
library (pure packages: not the part of it that does I/O, reads clocks or rolls dice), and the third-party packages
that its row allows. Packages are imported by their root.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = tomllib.loads((ROOT / "tests/house/floors.toml").read_text())

IMPURE = {"asyncio", "socket", "time", "random", "os", "threading", "logging", "select", "selectors", "subprocess",
          "secrets", "datetime", "multiprocessing", "concurrent"}  # fmt: skip
KVCLUSTER_FACES = {
    "kvcluster",
    "kvcluster.client",
    "kvcluster.wire",
    "kvcluster.errors",
    "kvcluster.config",
    "kvcluster.clock",
}


def _modules() -> Iterator[tuple[str, str, Path]]:
    """(top, package, file): package is the folder or module name right below the top; "" for the root module."""
    for top in ("kvcluster", "apiserver"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT / top).with_suffix("").parts
            yield top, "" if parts == ("__init__",) else parts[0], path


def _imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """(dotted module, line, inside a function) of every import in a file."""
    tree = ast.parse(path.read_text(), str(path))
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, node in inside
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            if node.module in ("kvcluster", "apiserver"):
                for alias in node.names:
                    yield f"{node.module}.{alias.name}", node.lineno, node in inside
            else:
                yield node.module or "", node.lineno, node in inside


def _row(top: str, package: str) -> dict:
    return FLOORS[top]["packages"][package]


def _is_internal(name: str) -> bool:
    return name == "kvcluster" or name == "apiserver" or name.startswith(("kvcluster.", "apiserver."))


def _violation(top: str, package: str, path: Path, name: str) -> str | None:
    leaves = FLOORS[top]["leaves"]
    head = name.split(".")[0]
    if package in ("", "__main__"):
        return None if _is_internal(name) or head in sys.stdlib_module_names else f"the root imports {name}"
    if package in leaves:
        inner = name.split(".")[1] if name.startswith(top + ".") else None
        if inner in leaves or (head in sys.stdlib_module_names and not _is_internal(name)):
            return None
        if top == "apiserver" and name in ("kvcluster.errors", "kvcluster.clock"):
            return None
        return f"a leaf imports {name}"
    row = _row(top, package)
    if not _is_internal(name):
        if head in sys.stdlib_module_names:
            impure = row.get("pure") and head in IMPURE
            return f"pure package imports {name}" if impure else None
        return None if head in row["outside"] else f"imports {name}, which its row does not allow"
    if head != top:  # apiserver -> kvcluster
        if top == "kvcluster":
            return f"kvcluster imports {name}"
        if package in ("cluster", "cli") or name == "kvcluster.clock" or name == "kvcluster.errors":
            return None
        if "kvcluster" not in row["outside"]:
            return f"imports {name}, which its row does not allow"
        face = ".".join(name.split(".")[:2])
        return None if face in KVCLUSTER_FACES else f"imports {name}; of kvcluster only its faces are seen"
    parts = name.split(".")
    target = parts[1] if len(parts) > 1 else ""
    if target == package:
        return None
    if target in leaves:
        return "imports a leaf, but is extractable" if row.get("no_leaves") else None
    if target in FLOORS[top]["packages"]:
        if target not in row["may"]:
            return f"imports {name}: {target} is not in its row"
        if _row(top, target)["floor"] >= row["floor"]:
            return f"imports {name} of an equal or higher floor"
        if len(parts) > 2 and (ROOT / top / target / (parts[2] + ".py")).exists():
            return f"imports {name}: import packages by their root"
        return None
    return None if package in ("cli", "cluster", "embedded") else f"imports the root's {name}"


def test_imports_go_down_only():
    wrong = []
    for top, package, path in _modules():
        for name, line, _ in _imports(path):
            if package and package not in FLOORS[top]["packages"] and package not in FLOORS[top]["leaves"]:
                if package != "__main__":
                    wrong.append(f"{path.relative_to(ROOT)}: package {package} has no row in floors.toml")
                    break
                continue
            said = _violation(top, package, path, name)
            if said:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {said}")
    assert not wrong, "\n".join(wrong)


def test_every_row_exists():
    for top in ("kvcluster", "apiserver"):
        for package in FLOORS[top]["packages"]:
            assert (ROOT / top / package).is_dir() or (ROOT / top / f"{package}.py").exists(), f"{top}/{package}"


def test_rows_only_point_down():
    for top in ("kvcluster", "apiserver"):
        rows = FLOORS[top]["packages"]
        for package, row in rows.items():
            for other in row["may"]:
                assert rows[other]["floor"] < row["floor"], f"{top}.{package} -> {other}"


def test_no_type_checking_knots():
    for _, _, path in _modules():
        assert "TYPE_CHECKING" not in path.read_text(), path


def _set_names(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Set | ast.SetComp):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


@pytest.mark.parametrize("top", ["kvcluster", "apiserver"])
def test_pure_packages_iterate_no_set(top: str):
    """The order of a set of bytes changes with PYTHONHASHSEED: no loop over a set that is plainly one."""
    wrong = []
    for module_top, package, path in _modules():
        if module_top != top or package not in FLOORS[top]["packages"] or not _row(top, package).get("pure"):
            continue
        tree = ast.parse(path.read_text())
        sets = _set_names(tree)
        for node in ast.walk(tree):
            sources = []
            if isinstance(node, ast.For):
                sources.append(node.iter)
            elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
                sources += [generator.iter for generator in node.generators]
            for source in sources:
                literal = isinstance(source, ast.Set | ast.SetComp)
                call = (
                    isinstance(source, ast.Call)
                    and isinstance(source.func, ast.Name)
                    and source.func.id in ("set", "frozenset")
                )
                named = isinstance(source, ast.Name) and source.id in sets
                if literal or call or named:
                    wrong.append(f"{path.relative_to(ROOT)}:{source.lineno}")
    assert not wrong, "\n".join(wrong)
