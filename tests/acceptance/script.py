"""The language of scripts/*.txt: kubectl commands and what they print.

    # a comment
    == title | old                       a scenario, in a namespace of its own; "old": kubectl 1.20 plays it too
    $ create configmap c --from-literal=a=1
    configmap/c created
    $ get configmap c -o name
    configmap/c
    $ apply -f - <<                      what follows up to >> is the standard input
    kind: ConfigMap
    ...
    >>
    configmap/d created
    $ [1] get configmap nothing          ends with exit code 1; [*] with any but 0
    Error from server (NotFound): configmaps "nothing" not found
    $ ~ get pods                         tried until it prints what is expected, or half a minute is over
    $ & get pods -w                      runs on its own until the scenario ends; `? text` waits for a line of it
    ? web-0

What is expected is compared after runs of blanks became one; `...` stands for anything, over lines too (doctest's ELLIPSIS).
Standard output comes first, then standard error. Nothing expected means: whatever it prints, as long as the exit code is
right; a line `-` alone: nothing is printed. {ns} is the scenario's namespace, {dir} the folder of manifests.
"""

from __future__ import annotations

import re
import shlex
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from typing import NamedTuple

_CHECKER = OutputChecker()
_CODE = re.compile(r"\[(\d+|\*)\] ")


class Step(NamedTuple):
    """code: the exit code, None = any but 0. kind: "$" once, "~" until it fits, "&" on its own, "?" a line of that."""

    line: int
    kind: str
    arguments: tuple[str, ...]
    stdin: str | None = None
    code: int | None = 0
    expected: str = ""


class Scenario(NamedTuple):
    title: str
    steps: tuple[Step, ...]
    options: tuple[str, ...] = ()


def parse(text: str) -> list[Scenario]:
    """Raises ValueError for what is not in the language."""
    scenarios: list[Scenario] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("=="):
            title, *options = (part.strip() for part in line.strip("= ").split("|"))
            scenarios.append(Scenario(title, (), tuple(options)))
        elif line.startswith(("$ ", "? ")):
            step, at = _step(lines, at)
            scenarios[-1] = scenarios[-1]._replace(steps=(*scenarios[-1].steps, step))
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"line {at}: not a command: {line}")
    return scenarios


def _step(lines: list[str], at: int) -> tuple[Step, int]:
    number, line = at, lines[at - 1]
    if line.startswith("? "):
        return Step(number, "?", (line[2:],)), at
    command, kind, code = line[2:], "$", 0
    if command[:2] in ("~ ", "& "):
        kind, command = command[0], command[2:]
    match = _CODE.match(command)
    if match:
        code, command = (None if match[1] == "*" else int(match[1])), command[match.end() :]  # type: ignore[assignment]
    stdin = None
    if command.endswith("<<"):
        command = command[:-2]
        end = lines.index(">>", at)
        stdin = "\n".join(lines[at:end]) + "\n"
        at = end + 1
    expected = []
    while at < len(lines) and not lines[at].startswith(("$ ", "? ", "==", "#")):
        expected.append(lines[at])
        at += 1
    wanted = "\n".join(expected).strip()
    return Step(number, kind, tuple(shlex.split(command)), stdin, code, wanted), at


def fits(expected: str, printed: str) -> bool:
    """Whether a command printed what a script expects."""
    if not expected:
        return True
    if expected == "-":
        return not printed.strip()
    # The blanks beside "..." are part of what it stands for, which may be nothing.
    wanted = re.sub(r"\s*\.\.\.\s*", "...", " ".join(expected.split()))
    return _CHECKER.check_output(wanted, " ".join(printed.split()), ELLIPSIS)


def load(folder: Path) -> dict[str, Scenario]:
    """Every scenario of a folder's scripts, by "file: title"."""
    found = {}
    for path in sorted(folder.glob("*.txt")):
        for scenario in parse(path.read_text()):
            found[f"{path.stem}: {scenario.title}"] = scenario
    return found
