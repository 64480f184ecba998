"""Scripts: text files of commands and their transcripts, like a lab notebook.

    # A comment, kept.
    command argument key=value
    ----
    what it printed, up to the next empty line

`pytest tests/kvcluster/raft --rewrite` writes what the code prints now into the files. Commit a changed transcript only
when you can say why it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Command(NamedTuple):
    name: str
    arguments: list[str]
    options: dict[str, str]
    where: str


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the transcripts of raft scripts anew")


def _parse(line: str, where: str) -> Command:
    words = line.split()
    options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    return Command(words[0], [word for word in words[1:] if "=" not in word], options, where)


def _run(path: Path, execute: Callable[[Command], str]) -> str:
    """The script's text with the output of `execute` in place of the old one."""
    lines = path.read_text().splitlines()
    written: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        written.append(line)
        if not line.strip() or line.startswith("#"):
            continue
        if at < len(lines) and lines[at] == "----":
            while at < len(lines) and lines[at].strip():
                at += 1
        output = execute(_parse(line, f"{path.name}:{at}")).rstrip("\n")
        written.append("----")
        written.extend(output.splitlines() if output else ["ok"])
    return "\n".join(written) + "\n"


@pytest.fixture
def run_script(pytestconfig: pytest.Config) -> Callable[[Path, Callable[[Command], str]], None]:
    """Runs a script and compares its transcript, or rewrites it."""

    def run(path: Path, execute: Callable[[Command], str]) -> None:
        written = _run(path, execute)
        if pytestconfig.getoption("--rewrite", default=False):
            path.write_text(written)
        else:
            assert written == path.read_text(), f"{path.name}: the transcript differs (see --rewrite)"

    return run
