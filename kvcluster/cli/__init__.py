"""The `kvcluster` command: serve, up, status, down, bench.

app.py has the commands, serving.py runs a member, clusters.py and bench.py what the others do. A wrong flag ends with exit code
2, a failure with 1, each with one line that says what to do; Ctrl-C and SIGTERM end everything within two seconds.

`serve` is answered here at once: members are started and restarted by the dozen, and what the other commands load (typer, rich,
the cluster's parts) would double the time until one answers.
"""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        gc.disable()  # what is loaded is there to stay; looking through it again and again would take a tenth of the start
        from kvcluster.cli.serving import main_serve

        sys.exit(main_serve(arguments[1:]))
    from kvcluster.cli.app import app

    app(arguments)
