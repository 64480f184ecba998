"""Every Python snippet of README.md and docs/ runs; every command and flag that they name exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def snippets(language: str) -> list[pytest.param]:
    found = []
    for page in PAGES:
        for number, match in enumerate(FENCE.finditer(page.read_text()), 1):
            if match[1] == language:
                found.append(pytest.param(match[2], id=f"{page.name}-{number}"))
    return found


@pytest.mark.parametrize("code", snippets("python"))
def test_python_snippets_run(code: str, tmp_path: Path):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("text", snippets("yaml"))
def test_yaml_snippets_parse(text: str):
    documents = list(yaml.safe_load_all(text))
    assert all(isinstance(document, dict) for document in documents)
    for document in documents:
        if document.get("kind") == "KubeSchedulerConfiguration":
            from apiserver.scheduler import parse_config

            parse_config(document)


def commands() -> list[tuple[str, str]]:
    """(command, --flag) of every indented or fenced line that starts with one of ours."""
    found = set()
    for page in PAGES:
        for line in page.read_text().splitlines():
            match = re.match(r"^(?:    |\| `)(kvcluster bench [a-z-]+|(?:kvcluster|apiserver) [a-z]+)(.*)", line)
            if match:
                flags = re.findall(r"--[a-z][a-z-]*", match[2])
                found.update((match[1], flag) for flag in flags or [""])
    return sorted(found)


@pytest.mark.parametrize(("command", "flag"), commands())
def test_commands_and_flags_exist(command: str, flag: str):
    program, *sub = command.split()
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    run = subprocess.run(
        [sys.executable, "-m", program, *sub, "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert flag in run.stdout
