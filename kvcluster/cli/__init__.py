"""The `kvcluster` command: serve, up, status, down, bench.

This file holds the flags and nothing else; cli/serving.py runs a member, cli/clusters.py what the other three do. A wrong
flag ends with exit code 2, a failure with 1, each with one line that says what to do; Ctrl-C and SIGTERM end everything
within two seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kvcluster.cli.bench import bench
from kvcluster.cli.clusters import UpOptions, run_down, run_status, run_up
from kvcluster.cli.running import drop_true
from kvcluster.cli.serving import ServeOptions, run_serve

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, help=__doc__
)

app.add_typer(bench, name="bench")

StateDir = Annotated[
    Path | None, typer.Option(help="Where pids and logs are kept. Default: $XDG_STATE_HOME/kvcluster.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
IGNORED = "Accepted, and ignored: it means nothing to a store in memory."


@app.command()
def serve(
    name: Annotated[str, typer.Option(help="This member's name in --initial-cluster.")] = "default",
    listen_client_urls: Annotated[str, typer.Option(help="URLs with commas; port 0 = any free one.")] = (
        "http://127.0.0.1:2379"
    ),
    advertise_client_urls: Annotated[str, typer.Option(help="What to tell clients. Default: the same.")] = "",
    listen_peer_urls: Annotated[str, typer.Option(help="Where the other members reach this one.")] = (
        "http://127.0.0.1:2380"
    ),
    initial_advertise_peer_urls: Annotated[str, typer.Option(help="The same, as the others know it.")] = (
        "http://127.0.0.1:2380"
    ),
    initial_cluster: Annotated[str, typer.Option(help="NAME=PEER_URL,… of all members. Default: this one alone.")] = "",
    initial_cluster_token: Annotated[str, typer.Option(help="Tells clusters apart.")] = "etcd-cluster",
    initial_cluster_state: Annotated[str, typer.Option(help="Only: new.")] = "new",
    heartbeat_interval: Annotated[int, typer.Option(help="Milliseconds.")] = 100,
    election_timeout: Annotated[int, typer.Option(help="Milliseconds.")] = 1000,
    snapshot_count: Annotated[int, typer.Option(help="Entries of the log between snapshots.")] = 10_000,
    max_request_bytes: Annotated[int, typer.Option(help="The largest request.")] = 1536 * 1024,
    max_txn_ops: Annotated[int, typer.Option(help="The most operations of a transaction.")] = 128,
    auto_compaction_mode: Annotated[str, typer.Option(help="periodic or revision.")] = "periodic",
    auto_compaction_retention: Annotated[str, typer.Option(help="5m, 1 (hour), or revisions; 0 = off.")] = "0",
    watch_progress_notify_interval: Annotated[str, typer.Option(help="A duration such as 5s or 10m.")] = "10m",
    transport: Annotated[str, typer.Option(help="Who speaks gRPC: native or grpcio.")] = "native",
    log_level: Annotated[str, typer.Option(help="debug, info, warn or error.")] = "info",
    data_dir: Annotated[str | None, typer.Option(help="Refused: storage on disk does not exist yet.")] = None,
    unsafe_no_fsync: Annotated[bool, typer.Option("--unsafe-no-fsync", help=IGNORED)] = False,
    quota_backend_bytes: Annotated[int | None, typer.Option(help=IGNORED)] = None,
    logger: Annotated[str | None, typer.Option(help=IGNORED)] = None,
    log_outputs: Annotated[str | None, typer.Option(help=IGNORED)] = None,
) -> None:
    """Run one member, with etcd's flag names. Its data is in memory only."""
    ignored = {
        "unsafe-no-fsync": unsafe_no_fsync, "quota-backend-bytes": quota_backend_bytes, "logger": logger,
        "log-outputs": log_outputs,
    }  # fmt: skip
    options = ServeOptions(
        name, listen_client_urls, advertise_client_urls, listen_peer_urls, initial_advertise_peer_urls, initial_cluster,
        initial_cluster_token, initial_cluster_state, heartbeat_interval, election_timeout, snapshot_count,
        max_request_bytes, max_txn_ops, auto_compaction_mode, auto_compaction_retention,
        watch_progress_notify_interval, transport, log_level, data_dir,
        tuple(flag for flag, value in ignored.items() if value),
    )  # fmt: skip
    raise typer.Exit(run_serve(options))


@app.command()
def up(
    replicas: Annotated[int, typer.Option(min=1, max=5, help="How many members.")] = 3,
    base_port: Annotated[
        int,
        typer.Option("--base-port", "--port", min=0, max=65535, help="Of the first member; others +20000, …; 0 = any."),
    ] = 2379,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    state_dir: StateDir = None,
    json: Json = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until it is ready.")] = 20.0,
) -> None:
    """Start members as processes, wait until they are ready, and leave them running."""
    raise typer.Exit(run_up(UpOptions(replicas, base_port, host, state_dir, json, timeout)))


@app.command()
def status(state_dir: StateDir = None, json: Json = False) -> None:
    """Show the members that `up` started. Exit code 1 if one is not well."""
    raise typer.Exit(run_status(state_dir, json))


@app.command()
def down(state_dir: StateDir = None) -> None:
    """End the members that `up` started, and forget them."""
    raise typer.Exit(run_down(state_dir))


def main() -> None:
    """The console script."""
    app(drop_true(sys.argv[1:]))
