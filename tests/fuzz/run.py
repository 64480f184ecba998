"""schemathesis against our own OpenAPI: `python -m tests.fuzz.run --seconds 600`. Any answer of 500 and above fails it.

One cluster with controllers and nodes, in this process; schemathesis runs beside it, one group version's document after the
other, each for its share of the time. A failure prints the request that made it, as a curl command.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from apiserver.cluster import LocalCluster

HERE = Path(__file__).parent
EXAMPLES = 20


async def documents(cluster: LocalCluster) -> list[str]:
    index = await cluster.client().raw("/openapi/v3")
    return sorted(index["paths"])


async def fuzz(cluster: LocalCluster, document: str, seconds: float, seed: int) -> tuple[int, str]:
    """-> (schemathesis' exit code, what it printed)"""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{cluster.url}/openapi/v3/{document}"),
        *("--url", cluster.url, "--checks", "not_a_server_error", "--phases", "fuzzing", "--max-time", str(int(seconds))),
        *("--max-examples", str(EXAMPLES), "--seed", str(seed), "--request-timeout", "20", "--suppress-health-check", "all"),
        *("--warnings", "off", "--continue-on-failure", "--generation-database", "none"),
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": str(HERE.parents[1]), "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode()


async def run(seconds: float, seed: int, only: str = "") -> int:
    """-> how many documents failed"""
    failed = 0
    async with LocalCluster(nodes=1) as cluster:
        chosen = [document for document in await documents(cluster) if only in document]
        for number, document in enumerate(chosen):
            code, printed = await fuzz(cluster, document, seconds / len(chosen), seed + number)
            last = printed.strip().splitlines()[-1] if printed.strip() else ""
            print(f"{document:45} {last}", flush=True)
            if code:
                failed += 1
                print(printed)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a document's name, such as apis/apps")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(run(arguments.seconds, arguments.seed, arguments.only)))
