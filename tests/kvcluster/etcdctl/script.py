"""The language of scripts/*.txt: etcdctl commands, one a line, and what in their output may differ between two servers.

    # a comment
    == title | fresh | members=3 | old | xfail: why ours does not do it yet
    put a 1                        to its end; exit code, standard output and standard error count
    lease grant 300 => lease       the first id in its output is {lease} from here on
    txn <<                         what follows up to >> is its standard input
    ...
    >>
    [3] watch a --rev {rev+1}      runs on its own; its first three lines count, then it is ended

`{rev}` is the store's revision when the script starts, `{rev+2}` two writes later; `{urls}` the members, `{url0}` the first one,
`{m0}` its id, `{tmp}` a folder. Scripts of one file share two servers (a real etcd and ours) unless they
say `fresh`; each begins with an
empty store and equal revisions. `old` scripts run on etcdctl 3.4 too. `xfail` is strict: the mark must go when ours does it.

What is the same on any two servers is compared as text. Ids, times, ports, terms, sizes and indexes are named by order of
appearance or hidden: an id that is printed as a number here and in hexadecimal there has one name, and a wrong one shows.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kvcluster import pb

PROTOBUF = {
    "get": pb.RangeResponse, "put": pb.PutResponse, "del": pb.DeleteRangeResponse, "txn": pb.TxnResponse,
    "watch": pb.WatchResponse, "member": pb.MemberListResponse,
}  # fmt: skip
"""What `-w protobuf` prints, by command."""


class Step(NamedTuple):
    """lines: how many count of a command that runs on its own; None = it ends by itself. capture: the name of an id."""

    command: str
    stdin: str = ""
    capture: str = ""
    lines: int | None = None


class Script(NamedTuple):
    title: str
    steps: tuple[Step, ...]
    fresh: bool = False
    members: int = 1
    old: bool = False
    xfail: str = ""


def parse(text: str) -> list[Script]:
    """The scripts of a file. Raises ValueError for what is not in the language."""
    scripts: list[Script] = []
    steps: list[Step] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("=="):
            title, *options = (part.strip() for part in line.strip("= ").split("|"))
            steps = []
            scripts.append(_script(title, options))
        elif line.strip() and not line.startswith("#"):
            steps.append(_step(line, lines))
            scripts[-1] = scripts[-1]._replace(steps=tuple(steps))
    return scripts


def _script(title: str, options: Sequence[str]) -> Script:
    script = Script(title, ())
    for option in options:
        if option in ("fresh", "old"):
            script = script._replace(**{option: True})
        elif option.startswith("members="):
            script = script._replace(members=int(option.removeprefix("members=")), fresh=True)
        elif option.startswith("xfail:"):
            script = script._replace(xfail=option.removeprefix("xfail:").strip())
        else:
            raise ValueError(f"unknown option {option!r} of {title!r}")
    return script


def _step(line: str, following: object) -> Step:
    match = re.fullmatch(r"(?:\[(\d+)\] )?(.*?)( <<)?(?: => (\w+))?", line)
    assert match is not None
    lines, command, here, capture = match.groups()
    stdin: list[str] = []
    if here:
        for text in following:  # type: ignore[attr-defined]
            if text == ">>":
                break
            stdin.append(text + "\n")
        else:
            raise ValueError(f"no >> after {line!r}")
    return Step(command, "".join(stdin), capture or "", int(lines) if lines else None)


def fill(text: str, values: dict[str, str | int]) -> str:
    """`{name}` and `{name+2}` from values."""

    def value(match: re.Match[str]) -> str:
        found = values[match[1]]
        return str(int(found) + int(match[2])) if match[2] else str(found)

    return re.sub(r"\{(\w+)([+-]\d+)?\}", value, text)


def words(command: str) -> list[str]:
    return shlex.split(command)


ID = re.compile(r"(?<![\w.])(?:\d{15,20}|(?=[0-9]*[a-f])[0-9a-f]{13,16})(?![\w.])")
HIDDEN = [
    (re.compile(r'"ts":[^,]+,'), ""),
    (re.compile(r'"target":"[^"]*"'), '"target":…'),
    (re.compile(r"0x[0-9a-f]+/"), ""),
    (re.compile(r'("took"\s?:\s?)"[^"]*"'), r"\1…"),
    (re.compile(r"\b\d+(\.\d+)?(ms|µs|s)\b(?=( \||$|\"))"), "…"),
    (
        re.compile(
            r'("?(?:raft_term|raftTerm|RaftTerm|RaftIndex|raftIndex|RaftAppliedIndex|raftAppliedIndex)"? ?: ?)\d+'
        ),
        r"\1…",
    ),
    (re.compile(r'("?(?:dbSize|dbSizeInUse|DBSize|DBSizeInUse|hash|Hash)"? ?: ?)\d+'), r"\1…"),
    (re.compile(r'("?(?:version|Version)"? ?: ?)"\d[^"]*"'), r"\1…"),
    (re.compile(r"\b\d+\.\d+\.\d+, [\d.]+ [kMG]?B, (true|false), (true|false), \d+, \d+, \d+"), r"…, \1, \2, …"),
    (
        re.compile(r"\| \d+\.\d+\.\d+ \| [\d.]+ [kMG]?B \| (true|false) \| (true|false) \| \d+ \| \d+ \| \d+"),
        r"| … | \1 | \2 | …",
    ),
    (re.compile(r"remaining\(\d+s\)"), "remaining(…)"),
    (re.compile(r'("ttl":|"TTL" : )\d+'), r"\1…"),
]


class Names:
    """Names for the ids of one server, by order of appearance."""

    def __init__(self, addresses: Sequence[str], folder: Path) -> None:
        """addresses: host:port of all its listeners, in order."""
        self._addresses = addresses
        self._folder = str(folder)
        self._ids: dict[int, str] = {}

    def normal(self, text: str) -> str:
        """The text without what may differ."""
        text = text.replace(self._folder, "{tmp}")
        for number, address in enumerate(self._addresses):
            text = text.replace(address, f"<address {number}>")
        lines = [re.sub(r" {2,}", " ", line.rstrip()) for line in text.splitlines() if not re.fullmatch(r"[+-]+", line)]
        text = "\n".join(lines).partition("goroutine ")[0]  # etcdctl panics on some input; where, is not ours to compare
        for pattern, word in HIDDEN:
            text = pattern.sub(word, text)
        return ID.sub(self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        digits = match[0]
        value = int(digits) if digits.isdecimal() and len(digits) > 16 else int(digits, 16)
        return self._ids.setdefault(value, f"<id {len(self._ids)}>")


def readable(command: list[str], out: bytes) -> str:
    """Standard output as text; a protobuf message as its fields."""
    if "protobuf" in command and out and command[0] in PROTOBUF:
        message = PROTOBUF[command[0]].FromString(out)
        message.header.ClearField("raft_term")
        return str(message)
    return out.decode(errors="backslashreplace")


def first_id(text: str) -> str:
    """The first id that etcdctl printed, as it takes it."""
    match = ID.search(text)
    assert match is not None, f"no id in {text!r}"
    return match[0]
