"""Gets a suite and what it needs into `.conformance/NAME/`: an environment (`venv/`, `node_modules/`) and the tests (`source/`).

The only part that talks to a package registry. What is there and still of the same row is left alone. A client that cannot be
installed here (no wheel for this Python, no npm, no network) raises NotFetched with the end of the tool's words.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.conformance.suites import Suite

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".conformance"
SMOKE = Path(__file__).parent / "smoke"


class NotFetched(Exception):
    """The client cannot be had here; the text says why."""


def folder_of(suite: Suite) -> Path:
    return CACHE / suite.key


def python_of(suite: Suite) -> Path:
    return folder_of(suite) / "venv" / "bin" / "python"


def work_folder(suite: Suite) -> Path:
    """Where the suite's command is run."""
    return folder_of(suite) / "source" if suite.source == "sdist" else SMOKE


def pytest_settings(suite: Suite) -> list[str]:
    """Flags that keep pytest from taking this repository's settings; a suite that brings its own keeps them."""
    own = work_folder(suite) / "pyproject.toml"
    if suite.source == "sdist" and own.exists() and "[tool.pytest" in own.read_text():
        return []
    empty = folder_of(suite) / "pytest.ini"
    empty.write_text("[pytest]\n")
    return ["-c", str(empty), "--rootdir", str(work_folder(suite))]


def is_fetched(suite: Suite) -> bool:
    stamp = folder_of(suite) / "stamp"
    return stamp.exists() and stamp.read_text() == _fingerprint(suite)


def fetch(suite: Suite) -> None:
    """Makes `is_fetched` true, or raises NotFetched."""
    if is_fetched(suite):
        return
    folder = folder_of(suite)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if suite.source == "npm":
        package = suite.requirement.replace("==", "@")
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package])
    else:
        _run([sys.executable, "-m", "venv", str(folder / "venv")])
        pip = [str(python_of(suite)), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "install", suite.requirement, *suite.needs, "pytest-timeout<3"])
        if suite.source == "sdist":
            _run([*pip, "download", "--no-binary", ":all:", "--no-deps", "--dest", str(folder), suite.requirement])
            _unpack(folder)
    (folder / "stamp").write_text(_fingerprint(suite))


def _unpack(folder: Path) -> None:
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    (top,) = (folder / "unpacked").iterdir()
    top.rename(folder / "source")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotFetched(f"{command[0]} is not installed") from error
    if done.returncode:
        raise NotFetched(
            (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        )


def _fingerprint(suite: Suite) -> str:
    row = repr((suite.requirement, suite.needs, suite.source, sys.version_info[:2]))
    return hashlib.sha256(row.encode()).hexdigest()
