"""The flags of `kvcluster serve` as argparse knows them: for --help, and to say what is wrong with a command line.

A file of its own because serving.py reads an ordinary command line without it, and so without loading argparse.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from kvcluster.cli.running import fail
from kvcluster.cli.serving import FLAGS, IGNORED_FLAGS, IGNORED_SWITCHES

IGNORED = "Accepted, and ignored: it means nothing to a store in memory."


class _Parser(argparse.ArgumentParser):
    """One line for what is wrong, as everywhere in this program."""

    def error(self, message: str) -> NoReturn:
        sys.exit(fail(f"serve: {message}; see kvcluster serve --help", 2))


def build_parser(defaults: Mapping[str, Any]) -> argparse.ArgumentParser:
    """defaults: serving.defaults_of what the environment says."""
    parser = _Parser(
        prog="kvcluster serve",
        description="Run one member, with etcd's flag names. Its data is in memory only. What a flag does not say, its "
        "environment variable does: ETCD_NAME for --name, and so on.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, (default, text) in FLAGS.items():
        parser.add_argument(
            f"--{name}", default=defaults[name], type=type(default), metavar=type(default).__name__, help=text
        )
    parser.add_argument("--data-dir", default=defaults["data-dir"], help="Refused: storage on disk does not exist yet.")
    for name in IGNORED_SWITCHES:
        parser.add_argument(f"--{name}", action="store_true", help=IGNORED)
    for name in IGNORED_FLAGS:
        parser.add_argument(f"--{name}", help=IGNORED)
    return parser
