"""`kvcluster serve`: its flags, and one member until a signal, or until the others refuse it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kvcluster.cli.running import UsageError, drop_true, fail, run_command
from kvcluster.config import ServerConfig, parse_duration
from kvcluster.errors import ConfigError, KvClusterError
from kvcluster.peer import PeerRefusedError
from kvcluster.server import Server

log = logging.getLogger("kvcluster")


class ServeOptions(NamedTuple):
    """The flags, as they were written."""

    name: str
    listen_client_urls: str
    advertise_client_urls: str
    listen_peer_urls: str
    initial_advertise_peer_urls: str
    initial_cluster: str
    initial_cluster_token: str
    initial_cluster_state: str
    heartbeat_interval: int
    election_timeout: int
    snapshot_count: int
    max_request_bytes: int
    max_txn_ops: int
    quota_backend_bytes: int
    auto_compaction_mode: str
    auto_compaction_retention: str
    watch_progress_notify_interval: str
    auth_token: str
    auth_token_ttl: int
    bcrypt_cost: int
    transport: str
    log_level: str
    data_dir: str | None
    ignored: tuple[str, ...]


# flag: (default, help); the type is the default's.
FLAGS: dict[str, tuple[str | int, str]] = {
    "name": ("default", "This member's name in --initial-cluster."),
    "listen-client-urls": ("http://127.0.0.1:2379", "URLs with commas; port 0 = any free one."),
    "advertise-client-urls": ("", "What to tell clients. Default: the same."),
    "listen-peer-urls": ("http://127.0.0.1:2380", "Where the other members reach this one."),
    "initial-advertise-peer-urls": ("http://127.0.0.1:2380", "The same, as the others know it."),
    "initial-cluster": ("", "NAME=PEER_URL,… of all members. Default: this one alone."),
    "initial-cluster-token": ("etcd-cluster", "Tells clusters apart."),
    "initial-cluster-state": ("new", "new, or existing: to join a cluster that this member was added to."),
    "heartbeat-interval": (100, "Milliseconds."),
    "election-timeout": (1000, "Milliseconds."),
    "snapshot-count": (10_000, "Entries of the log between snapshots."),
    "max-request-bytes": (1536 * 1024, "The largest request."),
    "max-txn-ops": (128, "The most operations of a transaction."),
    "quota-backend-bytes": (0, "The store's size at which the NOSPACE alarm is raised; 0 = 2 GiB, negative = none."),
    "auto-compaction-mode": ("periodic", "periodic or revision."),
    "auto-compaction-retention": ("0", "5m, 1 (hour), or revisions; 0 = off."),
    "watch-progress-notify-interval": ("10m", "A duration such as 5s or 10m."),
    "auth-token": ("simple", "simple, or jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=10m."),
    "auth-token-ttl": (300, "Seconds that an unused simple token lives."),
    "bcrypt-cost": (10, "Of hashing passwords, from 4 to 31: 2 to the power of it rounds."),
    "transport": ("native", "Who speaks gRPC: native or grpcio."),
    "log-level": ("info", "debug, info, warn or error."),
}
IGNORED_FLAGS = ("logger", "log-outputs")
IGNORED_SWITCHES = ("unsafe-no-fsync",)


def variable_of(name: str) -> str:
    """The environment variable that stands for a flag, as in etcd: --listen-client-urls, ETCD_LISTEN_CLIENT_URLS."""
    return "ETCD_" + name.upper().replace("-", "_")


def defaults_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """What a flag has where the command line does not name it: its variable's value, else its own. Raises ConfigError."""
    found: dict[str, Any] = {"data-dir": environment.get(variable_of("data-dir"))}
    for name, (default, _) in FLAGS.items():
        text = environment.get(variable_of(name))
        try:
            found[name] = default if text is None else type(default)(text)
        except ValueError:
            raise ConfigError(f'{variable_of(name)}: "{text}" is not a number') from None
    return found


def parse_flags(arguments: Sequence[str], defaults: Mapping[str, Any]) -> dict[str, Any] | None:
    """The flags' values by their names, as argparse would have them; None for what it is to answer: help, and mistakes."""
    flags: dict[str, Any] = dict(defaults)
    flags |= dict.fromkeys(IGNORED_FLAGS) | dict.fromkeys(IGNORED_SWITCHES, False)
    left = iter(arguments)
    for argument in left:
        flag, equals, value = argument.partition("=")
        name = flag.removeprefix("--")
        if name == flag or name not in flags:
            return None
        if name in IGNORED_SWITCHES:
            if equals:
                return None
            flags[name] = True
            continue
        if not equals:
            value = next(left, "-")
            if value.startswith("-"):
                return None
        try:
            flags[name] = type(FLAGS[name][0])(value) if name in FLAGS else value
        except ValueError:
            return None
    return {name.replace("-", "_"): value for name, value in flags.items()}


def main_serve(arguments: Sequence[str]) -> int:
    """Parses the flags of `kvcluster serve` and runs it; the exit code. A wrong flag ends the process with 2."""
    arguments = drop_true(arguments)
    try:
        defaults = defaults_of(os.environ)
    except ConfigError as error:
        return fail(str(error), 2)
    flags = parse_flags(arguments, defaults)
    if flags is None:
        from kvcluster.cli.serve_help import build_parser

        flags = vars(build_parser(defaults).parse_args(arguments))
    ignored = tuple(name for name in (*IGNORED_SWITCHES, *IGNORED_FLAGS) if flags.pop(name.replace("-", "_")))
    return run_serve(ServeOptions(**flags, ignored=ignored))


def _urls(text: str) -> tuple[str, ...]:
    return tuple(url.strip() for url in text.split(",") if url.strip())


def build_config(options: ServeOptions) -> ServerConfig:
    """The checked configuration. Raises ConfigError."""
    if options.data_dir is not None:
        raise ConfigError("--data-dir: storage on disk does not exist yet; without it the member runs in memory")
    config = ServerConfig(
        name=options.name,
        listen_client_urls=_urls(options.listen_client_urls),
        advertise_client_urls=_urls(options.advertise_client_urls),
        listen_peer_urls=_urls(options.listen_peer_urls),
        initial_advertise_peer_urls=_urls(options.initial_advertise_peer_urls),
        initial_cluster=options.initial_cluster,
        initial_cluster_token=options.initial_cluster_token,
        initial_cluster_state=options.initial_cluster_state,
        heartbeat_interval=options.heartbeat_interval,
        election_timeout=options.election_timeout,
        snapshot_count=options.snapshot_count,
        max_request_bytes=options.max_request_bytes,
        max_txn_ops=options.max_txn_ops,
        quota_backend_bytes=options.quota_backend_bytes,
        watch_progress_notify_interval_s=parse_duration(
            "watch-progress-notify-interval", options.watch_progress_notify_interval
        ),
        auth_token=options.auth_token,
        auth_token_ttl_s=options.auth_token_ttl,
        bcrypt_cost=options.bcrypt_cost,
        transport=options.transport,
        log_level=options.log_level,
    )
    config.validate()
    return config


Compaction = Callable[[Server], Awaitable[None]]


def build_compaction(options: ServeOptions) -> Compaction | None:
    """What compacts a server until it is cancelled; None for retention 0, when nothing of it is loaded. Raises ConfigError."""
    if options.auto_compaction_mode == "periodic" and options.auto_compaction_retention == "0":
        return None
    from kvcluster.cluster import build_compactor, run_compactor
    from kvcluster.embedded import EmbeddedClient

    compactor = build_compactor(options.auto_compaction_mode, options.auto_compaction_retention)
    if compactor is None:
        return None
    return lambda server: run_compactor(compactor, server.member, EmbeddedClient(lambda: server.driver))


def run_serve(options: ServeOptions) -> int:
    """The exit code of `kvcluster serve`."""
    try:
        config = build_config(options)
        compaction = build_compaction(options)
    except ConfigError as error:
        return fail(str(error), 2)
    logging.basicConfig(
        level=config.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for flag in options.ignored:
        log.warning("--%s is accepted and ignored: the store is in memory", flag)
    return run_command(lambda: _serve(config, compaction), UsageError, KvClusterError, PeerRefusedError, OSError)


async def _serve(config: ServerConfig, compaction: Compaction | None) -> int:
    server = Server(config)
    tasks: list[asyncio.Task[None]] = []
    try:
        await server.start()
        gc.enable()  # cli/__init__.py
        print(f"serving on {server.client_url}", flush=True)
        tasks.append(asyncio.ensure_future(_report_ready(server)))
        if compaction is not None:
            tasks.append(asyncio.ensure_future(compaction(server)))
        if server.failed is None:
            await asyncio.Event().wait()
        else:
            await asyncio.shield(server.failed)  # another member refuses this one: raises what it said
        return 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()


async def _report_ready(server: Server) -> None:
    await server.ready()
    member = server.member
    log.info("member %s (%x) is ready, leader %x, term %d", member.name, member.id, member.leader, member.term)
