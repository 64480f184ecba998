"""The table of docs/compatibility.md, between its markers: passed/total of each suite on ours and on etcd; why they differ."""

from __future__ import annotations

from typing import NamedTuple

from tests.conformance.fetch import ROOT
from tests.conformance.outcomes import Run
from tests.conformance.suites import Suite

PAGE = ROOT / "docs" / "compatibility.md"
BEGIN, END = "<!-- conformance: begin -->", "<!-- conformance: end -->"


class Row(NamedTuple):
    """A suite and its runs by server; not_run: why there are none."""

    suite: Suite
    runs: dict[str, Run]
    not_run: str


def differences(row: Row) -> list[tuple[str, str]]:
    """(test, what ours says) of all that passes on etcd and not on ours. Without a run on etcd: all that is not known to fail."""
    ours, etcd = row.runs.get("ours"), row.runs.get("etcd")
    if ours is None:
        return []
    if etcd is None:
        known = {test for test, _ in row.suite.etcd_fails}
        return [(test, o.text) for test, o in ours.outcomes.items() if o.word == "failed" and _short(test) not in known]
    found = []
    for test, outcome in etcd.outcomes.items():
        answer = ours.outcomes.get(test)
        if outcome.word == "passed" and (answer is None or answer.word != "passed"):
            found.append((test, answer.text if answer else "not run"))
    return found


def unexplained(row: Row) -> list[str]:
    """What makes the run fail. A suite without a single outcome on ours is one, too."""
    if "ours" in row.runs and not row.runs["ours"].outcomes:
        return ["no test ran"]
    reasons = dict(row.suite.reasons)
    return [f"{test}: {text}" for test, text in differences(row) if _short(test) not in reasons]


def line(row: Row) -> str:
    """For the terminal."""
    parts = [row.suite.name.ljust(24)]
    for kind, run in row.runs.items():
        parts.append(f"{kind} {_score(run)}" + (f" ({len(run.retried)} at the second try)" if run.retried else ""))
    return "  ".join(parts) + "".join(f"\n    {text}" for text in unexplained(row))


def write(rows: list[Row]) -> None:
    """Replaces what stands between the markers."""
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{BEGIN}\n{render(rows)}\n{END}{tail}")


def render(rows: list[Row]) -> str:
    lines = ["| client and version | tests | ours | etcd 3.5.1 | differences |", "|---|---|---|---|---|"]
    for row in rows:
        suite = row.suite
        origin = "smoke scenarios of this repository" if suite.source in ("smoke", "npm") else "its own suite"
        if row.not_run:
            lines.append(f"| {suite.name} {suite.version} | {origin} | not run | not run | {row.not_run} |")
            continue
        reasons = dict(suite.reasons)
        notes = [f"`{_short(test)}`: {reasons.get(_short(test), text)}" for test, text in differences(row)]
        cells = [_score(row.runs[kind]) if kind in row.runs else "" for kind in ("ours", "etcd")]
        lines.append(
            f"| {suite.name} {suite.version} | {origin} | {cells[0]} | {cells[1]} | {'; '.join(notes) or 'none'} |"
        )
    fails = [(row.suite.name, test, why) for row in rows for test, why in row.suite.etcd_fails]
    if fails:
        lines += ["", "What does not pass on etcd 3.5.1 either:", ""]
        lines += [f"- {name}, `{test}`: {why}" for name, test, why in fails]
    return "\n".join(lines)


def _score(run: Run) -> str:
    skipped = run.count("skipped")
    text = f"{run.count('passed')}/{len(run.outcomes) - skipped}"
    return text + (f" ({skipped} skipped)" if skipped else "")


def _short(test: str) -> str:
    return test.split("::")[-1]
