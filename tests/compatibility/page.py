"""The part of docs/compatibility.md that probes write: `python -m tests.compatibility.page`.

A test makes it anew and compares, so the page cannot say what is not so.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from tests.compatibility.options import probe_options
from tests.compatibility.probes import NO, YES, Prober, Served, with_server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- probes: begin -->", "<!-- probes: end -->"

ITEM_VERBS = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection")
FORMS = ("table", "metadata", "protobuf")

REASONS = {
    "pods/exec": "nothing runs in simulated nodes",
    "pods/attach": "nothing runs in simulated nodes",
    "pods/portforward": "nothing listens in simulated nodes",
    "pods/proxy": "nothing listens in simulated nodes",
    "services/proxy": "nothing listens in simulated nodes",
    "nodes/proxy": "nothing listens in simulated nodes",
    "shardSelector (alpha)": "off by default in Kubernetes 1.36, and ignored there, too",
    "application/cbor (alpha)": "off by default in Kubernetes 1.36, refused there, too",
}
"""Why something is "no"."""


def kubernetes_resources() -> dict[str, Any]:
    table = orjson.loads(files("apiserver.kinds").joinpath("resources.json").read_bytes())
    resources: dict[str, Any] = table["resources"]
    return resources


def _cell(answers: dict[str, str], wanted: tuple[str, ...]) -> str:
    """ "yes" where all are; else what is not there."""
    missing = [name if answers[name] == NO else f"{name} {answers[name]}" for name in wanted if answers[name] != YES]
    if not wanted:
        return ""
    if not missing:
        return YES
    return NO if all(answers[name] == NO for name in wanted) else f"partly: not {', '.join(missing)}"


async def render() -> str:
    lines: list[str] = []

    async def work(prober: Prober) -> None:
        lines.extend(await _resources(prober))
        lines.append("")
        lines.extend(await _options(prober))

    await with_server(work)
    return "\n".join(lines)


async def _resources(prober: Prober) -> list[str]:
    lines = [
        "| resource | verbs | as table, metadata, protobuf | subresources |",
        "|---|---|---|---|",
    ]
    table = kubernetes_resources()
    for name, entry in table.items():
        served = Served(name, entry)
        verbs = await prober.verbs(served)
        forms = await prober.forms(served)
        subresources = []
        for sub, verbs_of in _subresources(entry):
            answers = await prober.subresource(served, sub, verbs_of)
            cell = _cell(answers, verbs_of)
            why = REASONS.get(f"{served.plural}/{sub}", "")
            subresources.append(f"{sub}: {cell}" + (f" ({why})" if cell != YES and why else ""))
        wanted = tuple(verb for verb in ITEM_VERBS if verb in served.verbs)
        lines.append(
            f"| {name} | {_cell(verbs, wanted)} | {_cell(forms, FORMS) if forms else ''} | {'; '.join(subresources)} |"
        )
    return lines


def _subresources(entry: Any) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, _verbs(name, tuple(sub[1]))) for name, sub in entry.get("subresources", {}).items()]


def _verbs(sub: str, verbs: tuple[str, ...]) -> tuple[str, ...]:
    """A proxy takes every method: one question is enough."""
    return ("get",) if sub in ("proxy", "exec", "attach", "portforward") else verbs


async def _options(prober: Prober) -> list[str]:
    lines = ["| options | |", "|---|---|"]
    for group, answers in (await probe_options(prober)).items():
        for name, answer in answers.items():
            why = REASONS.get(name, "")
            lines.append(f"| {group}: {name} | {answer}{f' ({why})' if answer != YES and why else ''} |")
    return lines


def written() -> str:
    """What the page says now."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def write(text: str) -> None:
    head, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    write(asyncio.run(render()))
