"""What a member does not load before it answers. By name, not by time: start-up is measured in benchmarks/startup.py."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "aiohttp", "grpc", "hdrh", "kvcluster.cluster", "kvcluster.embedded", "kvcluster.load", "kvcluster.sim", "matplotlib",
    "multiprocessing", "prometheus_client", "rich", "typer", "yaml",
}  # fmt: skip


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_serve_loads_nothing_that_it_does_not_need():
    assert not HEAVY & loaded("import kvcluster.cli.serving")


def test_the_package_itself_loads_next_to_nothing():
    found = {name for name in loaded("import kvcluster") if name.startswith("kvcluster.")}
    assert not found and not HEAVY & loaded("import kvcluster")


def test_help_does_not_load_the_load_tester():
    assert "kvcluster.load" not in loaded("import kvcluster.cli.app")
