"""@kubernetes/client-node, the JavaScript client: client_node.test.mjs, played by node where node and its package are there."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.acceptance.clients.conftest import SHIRT

HERE = Path(__file__).resolve().parent
MODULES = Path(sys.prefix) / "node"
"""Where the Makefile installs the package."""


async def test_the_javascript_client_plays_its_stories(cluster, kubeconfig, tmp_path):
    node = shutil.which("node")
    if node is None or not (MODULES / "node_modules" / "@kubernetes" / "client-node").is_dir():
        pytest.skip("node or @kubernetes/client-node is not installed (`make test` installs the package where npm is)")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECONFIG": kubeconfig,
        "NODE_MODULES_FROM": str(MODULES),
        "SHIRT": json.dumps(SHIRT),
    }
    process = await asyncio.create_subprocess_exec(
        *(node, "--test", str(HERE / "client_node.test.mjs")),
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(100):
            out, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, out.decode()
