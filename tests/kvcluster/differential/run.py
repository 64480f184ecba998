"""Plays random sequences on both sides, and makes the shortest script of a difference that it finds.

python -m tests.kvcluster.differential.run --operations 200000 [--seed N] [--transport grpcio]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.kvcluster.differential.operations import Generator, Operation
from tests.kvcluster.differential.play import Player
from tests.kvcluster.differential.sides import Wire, dial, serving

LENGTH = 250
"""Operations of one sequence."""

SETTLE_S = 3.0
"""How long events that are missing are waited for before they count as missing."""

CANCELED = ("canceled", None, "")

MAX_TRIES = 200
"""Of making a failing sequence shorter."""


class Difference(AssertionError):
    """The servers do not agree; the text is a script."""


class Arena:
    """Both sides. `operations`: how many were played."""

    def __init__(self, etcd: Wire, ours: Wire) -> None:
        self._wires = (etcd, ours)
        self._salt = 0
        self.operations = 0

    async def compare(self, seed: int, sequence: list[Operation]) -> str | None:
        """Plays it; what was different, or None. Each play is the sequence's first: it has a prefix of its own."""
        self._salt += 1
        players = [Player(wire, seed * 1000 + self._salt) for wire in self._wires]
        try:
            await asyncio.gather(*(player.begin() for player in players))
            for number, operation in enumerate(sequence):
                if operation.kind == "Compact":  # or a watcher that is behind may lose its past on one side only
                    said = await self._settle(players)
                    if said is not None:
                        return said
                theirs, ours = await asyncio.gather(*(player.play(operation) for player in players))
                self.operations += 1
                if theirs != ours:
                    return f"operation {number}: {operation}\n    etcd {theirs}\n    ours {ours}"
            return await self._settle(players)
        finally:
            await asyncio.gather(*(player.end() for player in players))

    async def _settle(self, players: list[Player]) -> str | None:
        """Until the watchers of both sides have been told the same; what is different after SETTLE_S."""
        await asyncio.gather(*(player.mark() for player in players))
        etcd, ours = players
        try:
            async with asyncio.timeout(SETTLE_S):
                while (said := _watch_difference(etcd.watched(), ours.watched())) is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return said
        return None

    async def check(self, seed: int, length: int = LENGTH) -> None:
        """Raises Difference with the shortest script found."""
        sequence = Generator(seed).sequence(length)
        said = await self.compare(seed, sequence)
        if said is None:
            return
        shortest, said = await self._shorten(seed, sequence, said)
        lines = "\n".join(f"  {number:3d} {operation}" for number, operation in enumerate(shortest))
        raise Difference(f"seed {seed}, {len(shortest)} of {length} operations:\n{lines}\n{said}")

    async def _shorten(self, seed: int, sequence: list[Operation], said: str) -> tuple[list[Operation], str]:
        """Leaves out halves, quarters, … as long as there is still a difference."""
        size, tries = len(sequence) // 2, 0
        while size and tries < MAX_TRIES:
            start = 0
            while start < len(sequence) and tries < MAX_TRIES:
                tries += 1
                shorter = sequence[:start] + sequence[start + size :]
                still = await self.compare(seed, shorter)
                if still is None:
                    start += size
                else:
                    sequence, said = shorter, still
            size //= 2
        return sequence, said


Said = list[dict[int, list[Any]]]


def _watch_difference(etcd: Said, ours: Said) -> str | None:
    for stream, (theirs, own) in enumerate(zip(etcd, ours, strict=True)):
        for id in sorted(theirs.keys() | own.keys()):
            left, right = _lives(theirs.get(id, [])), _lives(own.get(id, []))
            for life, (a, b) in enumerate(itertools.zip_longest(left, right, fillvalue=[])):
                is_over = life < min(len(left), len(right)) - 1
                if not (_is_prefix(a, b) if is_over else a == b):
                    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
                    return (
                        f"watch {id} of stream {stream} was told {len(a)} and {len(b)} things, different from {at} on\n"
                        f"    etcd {a[at : at + 2]}\n    ours {b[at : at + 2]}"
                    )
    return None


def _lives(said: list[Any]) -> list[list[Any]]:
    """What was said to the watchers that had an id one after the other: each ends with its client's cancel."""
    lives: list[list[Any]] = [[]]
    for thing in said:
        if thing == CANCELED:
            lives.append([])
        else:
            lives[-1].append(thing)
    return lives


def _is_prefix(a: list[Any], b: list[Any]) -> bool:
    count = min(len(a), len(b))
    return a[:count] == b[:count]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--transport", choices=("native", "grpcio"), default="native")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with serving("etcd", Path(folder)) as etcd, serving(arguments.transport, Path(folder)) as ours:
            arena = Arena(await dial(etcd), await dial(ours))
            seed = arguments.seed or arguments.first_seed
            try:
                while arena.operations < arguments.operations:
                    await arena.check(seed)
                    if arguments.seed:
                        break
                    seed += 1
                    if seed % 50 == 0:
                        print(f"{arena.operations} operations, seed {seed}", flush=True)
            except Difference as difference:
                print(difference)
                return 1
    print(f"{arena.operations} operations, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
