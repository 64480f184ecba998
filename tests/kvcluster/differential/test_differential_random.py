"""Random sequences of every RPC, watches included, on a real etcd 3.5.1 and on ours: no difference.

A failure prints the shortest script that shows it. The long run: `make differential OPERATIONS=200000`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.kvcluster.differential.run import LENGTH, Arena
from tests.kvcluster.differential.sides import dial, etcd_binary, serving

OPERATIONS = 20_000
FIRST_SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1"))

pytestmark = pytest.mark.skipif(etcd_binary() is None, reason="there is no etcd to compare with")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("transport", "operations"), [("native", OPERATIONS), ("grpcio", 2_000)])
async def test_no_difference(tmp_path: Path, transport: str, operations: int):
    async with serving("etcd", tmp_path) as etcd, serving(transport, tmp_path) as ours:
        arena = Arena(*await asyncio.gather(dial(etcd), dial(ours)))
        for seed in range(FIRST_SEED, FIRST_SEED + operations // LENGTH + 1):
            await arena.check(seed)
    assert arena.operations >= operations
