"""What a run of a suite came to, read from the JUnit file that pytest and node's test runner write."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """word: passed, failed or skipped. text: why, for the latter two."""

    word: str
    text: str = ""


class Run(NamedTuple):
    """One suite on one server. retried: tests that passed only when they were run again."""

    kind: str
    outcomes: dict[str, Outcome]
    retried: tuple[str, ...] = ()

    def count(self, word: str) -> int:
        return sum(outcome.word == word for outcome in self.outcomes.values())


def read(junit: Path) -> dict[str, Outcome]:
    """Outcome by `class::test`, in the file's order; empty where the run did not get as far as a file.

    A test with an error after its end (of a fixture) has two entries of one name: the worse one counts.
    """
    found: dict[str, Outcome] = {}
    if not junit.exists():
        return found
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        outcome = _outcome(case)
        if name not in found or outcome.word == "failed":
            found[name] = outcome
    return found


def _outcome(case: ElementTree.Element) -> Outcome:
    for word, tags in (("failed", ("failure", "error")), ("skipped", ("skipped",))):
        for tag in tags:
            child = case.find(tag)
            if child is not None:
                lines = (child.get("message") or child.text or "").strip().splitlines()
                return Outcome(word, lines[0] if lines else "")
    return Outcome("passed")
