"""What a member does not load before it answers. By name, not by time: start-up is measured in benchmarks/startup.py."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "aiohttp", "argparse", "google.protobuf.descriptor_pb2", "google.protobuf.descriptor_pool", "grpc", "hdrh",
    "kvcluster.cluster", "kvcluster.embedded", "kvcluster.load", "kvcluster.sim", "matplotlib", "multiprocessing",
    "prometheus_client", "random", "rich", "secrets", "shutil", "typer", "yaml",
}  # fmt: skip

SERVE_UNTIL_READY = """
import os, signal, sys
import kvcluster.cli.serving as serving

async def look(server):
    await server.ready()
    print(*sys.modules, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

serving.build_compaction = lambda options: look
sys.exit(serving.main_serve(["--listen-client-urls", "http://127.0.0.1:0"]))
"""


def loaded(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_serve_loads_nothing_that_it_does_not_need():
    found = loaded(SERVE_UNTIL_READY)
    assert "kvcluster.server.server" in found
    assert not HEAVY & found


def test_the_package_itself_loads_next_to_nothing():
    every = loaded("import kvcluster, sys; print(*sys.modules)")
    assert not {name for name in every if name.startswith("kvcluster.")} and not HEAVY & every


def test_help_does_not_load_the_load_tester():
    assert "kvcluster.load" not in loaded("import kvcluster.cli.app, sys; print(*sys.modules)")
