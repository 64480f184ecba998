"""The commands but for serve: up, status, down, bench. Flags and nothing else; cli/clusters.py and cli/bench.py do the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kvcluster.cli.bench import bench
from kvcluster.cli.clusters import UpOptions, run_down, run_status, run_up
from kvcluster.cli.serving import main_serve

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="An etcd in pure Python: serve a member, run a cluster, load-test any.",
)
app.add_typer(bench, name="bench")

StateDir = Annotated[
    Path | None, typer.Option(help="Where pids and logs are kept. Default: $XDG_STATE_HOME/kvcluster.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def serve(context: typer.Context) -> None:
    """Run one member, with etcd's flag names. Its data is in memory only."""
    raise typer.Exit(main_serve(context.args))


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
