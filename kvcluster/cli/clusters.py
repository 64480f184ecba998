"""`kvcluster up`, `status` and `down`: members as processes (kvcluster/cluster/processes.py), for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from kvcluster.cli.running import UsageError, run_command
from kvcluster.cluster import (
    MemberStatus,
    ProcessCluster,
    StateFolder,
    cluster_status,
    default_state_dir,
    end_cluster,
)
from kvcluster.errors import ConfigError, KvClusterError


class UpOptions(NamedTuple):
    replicas: int
    base_port: int
    host: str
    state_dir: Path | None
    json: bool
    timeout_s: float


def run_up(options: UpOptions) -> int:
    """The exit code of `kvcluster up`."""

    async def command() -> int:
        try:
            cluster = ProcessCluster(
                replicas=options.replicas, base_port=options.base_port, host=options.host, state_dir=options.state_dir,
                ready_s=options.timeout_s,
            )  # fmt: skip
        except ConfigError as error:
            raise UsageError(str(error)) from error
        await cluster.start()
        rows = await cluster.status()
        show(rows, options.json)
        if not options.json:
            where = "" if options.state_dir is None else f" --state-dir {options.state_dir}"
            # Lines to be copied: never wrapped, never coloured.
            print(f"export ETCDCTL_ENDPOINTS={','.join(cluster.client_urls)}")
            print(f"kvcluster down{where}   # ends it; the data is in memory only")
        return 0

    return run_command(command, KvClusterError, OSError)


def run_status(state_dir: Path | None, as_json: bool) -> int:
    """The exit code of `kvcluster status`: 0 if every member answers and knows a leader."""

    async def command() -> int:
        rows = await cluster_status(StateFolder(state_dir or default_state_dir()))
        show(rows, as_json)
        return 0 if all(row.alive and row.leader and not row.error for row in rows) else 1

    return run_command(command, KvClusterError, OSError)


def run_down(state_dir: Path | None) -> int:
    """The exit code of `kvcluster down`."""

    async def command() -> int:
        ended = await end_cluster(StateFolder(state_dir or default_state_dir()))
        print(f"ended {ended} member{'' if ended == 1 else 's'}")
        return 0

    return run_command(command, KvClusterError, OSError)


def show(rows: Sequence[MemberStatus], as_json: bool) -> None:
    """Ids are hexadecimal, as etcdctl prints them."""
    if as_json:
        documents = [{**row._asdict(), "id": f"{row.id:x}", "leader": f"{row.leader:x}"} for row in rows]
        print(json.dumps(documents, indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("MEMBER", "PID", "URL", "ALIVE", "ID", "LEADER", "TERM", "INDEX", "REVISION", "SIZE", "ERROR"):
        table.add_column(column, no_wrap=column != "ERROR")
    for row in rows:
        known = bool(row.id)
        size = f"{row.db_size_bytes / 1024:.0f} kB" if known else ""
        numbers = [str(number) if known else "" for number in (row.term, row.index, row.revision)]
        leader = ("*" if row.is_leader else f"{row.leader:x}") if row.leader else ""
        table.add_row(
            row.name, str(row.pid), row.url, "yes" if row.alive else "no", f"{row.id:x}" if known else "", leader,
            *numbers, size, row.error,
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # into a file or a pipe: nothing is cut
    console.print(table)
