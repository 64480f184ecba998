"""kopf: an operator in a process of its own, as people run them: watches of custom resources, patches, finalizers, events."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.clients.conftest import SHIRT

OPERATOR = Path(__file__).parent / "operator_shirts.py"
SHIRTS = "stable.example.com/v1/shirts"
PATIENCE_S = 60


@pytest.fixture
async def operator(cluster, kubeconfig, tmp_path) -> AsyncIterator[None]:
    await cluster.client().create("apiextensions.k8s.io/v1/customresourcedefinitions", SHIRT)
    log = (tmp_path / "kopf.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kopf", "run", "--standalone", "-n", "default", str(OPERATOR)),
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": kubeconfig},
        stdout=log, stderr=log,
    )  # fmt: skip
    yield
    process.kill()
    await process.wait()
    log.close()
    sys.stdout.write((tmp_path / "kopf.log").read_text())  # pytest shows it where the test fails


async def until(look, *, wanted) -> None:
    """Asks again until it is so: the operator is another process, and says nothing."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if wanted(await look()):
                    return
            except Exception as error:
                if getattr(error, "reason", "") != "NotFound":
                    raise
            await asyncio.sleep(0.1)


async def test_an_operator_does_its_work(cluster, operator):
    client = cluster.client()
    metadata = {"name": "a", "namespace": "default"}
    shirt = {"apiVersion": "stable.example.com/v1", "kind": "Shirt", "metadata": metadata, "spec": {"colour": "red"}}
    await until(lambda: client.raw("/apis/stable.example.com/v1"), wanted=lambda found: found["resources"])
    await client.create(SHIRTS, shirt)
    label = lambda: client.get("configmaps", "a-label", "default")  # noqa: E731
    await until(label, wanted=lambda found: found["data"] == {"colour": "red"})
    await until(lambda: client.get(SHIRTS, "a", "default"), wanted=lambda found: found.get("status", {}).get("worn") == 1)
    held = await client.get(SHIRTS, "a", "default")
    assert held["metadata"]["finalizers"]
    await client.patch(SHIRTS, "a", {"spec": {"size": "L"}}, "default")
    await until(label, wanted=lambda found: found["data"].get("size") == "L")
    await client.delete(SHIRTS, "a", "default")
    gone = lambda: client.list(SHIRTS, "default")  # noqa: E731
    await until(gone, wanted=lambda found: not found["items"])
    # The config map was adopted, so the garbage collector takes it.
    await until(lambda: client.list("configmaps", "default"),
                wanted=lambda found: "a-label" not in [each["metadata"]["name"] for each in found["items"]])  # fmt: skip
