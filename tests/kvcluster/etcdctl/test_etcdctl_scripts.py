"""The scripts of scripts/*.txt on a real etcd 3.5.1 and on ours: the same transcript, exit codes included. See script.py."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.kvcluster.etcdctl.conftest import find_etcdctls
from tests.kvcluster.etcdctl.script import Script, parse
from tests.kvcluster.etcdctl.twins import KINDS, Play, Side, perform, serving, wait_ready

FOLDER = Path(__file__).parent / "scripts"
BINARIES = find_etcdctls()


def cases() -> Iterator[object]:
    for file in sorted(FOLDER.glob("*.txt")):
        for script in parse(file.read_text()):
            marks = [pytest.mark.xfail(reason=script.xfail, strict=True)] if script.xfail else []
            for label in BINARIES if script.old else ["bundled"]:
                yield pytest.param(script, label, id=f"{file.stem}: {script.title} ({label})", marks=marks)


@contextlib.contextmanager
def twins(members: int, folder: Path) -> Iterator[list[Side]]:
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(serving(kind, members, folder)) for kind in KINDS]
        for side in sides:
            wait_ready(BINARIES["bundled"], side)
        yield sides


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Sequence[Side]]]:
    """The servers of all the scripts that leave nothing behind but keys and leases."""
    with contextlib.ExitStack() as stack:
        sides: list[Side] = []

        def start() -> Sequence[Side]:
            if not sides:
                sides.extend(stack.enter_context(twins(1, tmp_path_factory.mktemp("shared"))))
            return sides

        yield start


@pytest.mark.parametrize(("script", "label"), list(cases()))
def test_transcripts_are_the_same(
    script: Script, label: str, shared: Callable[[], Sequence[Side]], tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        sides = stack.enter_context(twins(script.members, tmp_path)) if script.fresh else shared()
        plays = []
        for side in sides:
            folder = tmp_path / f"{side.kind}-files"
            folder.mkdir()
            plays.append(Play(BINARIES[label], side, folder))
        etcd, ours = perform(script, plays)
    assert ours == etcd
