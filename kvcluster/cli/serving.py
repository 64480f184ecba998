"""`kvcluster serve`: one member until a signal, or until the others refuse it. Its flags: flags.py, config_file.py, logs.py."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from kvcluster.cli.flags import help_text, parse_flags
from kvcluster.cli.logs import set_up_logs
from kvcluster.cli.running import UsageError, fail, run_command
from kvcluster.config import ServerConfig, TlsFiles, parse_duration
from kvcluster.errors import ConfigError, KvClusterError
from kvcluster.peer import PeerRefusedError
from kvcluster.server import SERVER_VERSION, Server

log = logging.getLogger("kvcluster")


def main_serve(arguments: Sequence[str]) -> int:
    """Parses the flags of `kvcluster serve` and runs it; the exit code: 2 for a wrong flag."""
    if {"--help", "-help", "-h"} & set(arguments):
        print(help_text())
        return 0
    if {"--version", "-version"} & set(arguments):
        print(f"etcd Version: {SERVER_VERSION}\nkvcluster, Python {sys.version.split()[0]}")
        return 0
    try:
        flags, ignored = parse_flags(arguments, os.environ)
        overruled: list[str] = []
        if flags["config-file"]:
            from kvcluster.cli.config_file import read_config_file

            overruled = [argument for argument in arguments if "config-file" not in argument]
            flags, ignored = read_config_file(flags["config-file"])
        config = build_config(flags)
        compaction = build_compaction(flags)
        set_up_logs(config.log_level, flags["log-format"], _urls(flags["log-outputs"]))
    except ConfigError as error:
        return fail(str(error), 2)
    for flag in ignored:
        log.warning("--%s is accepted and ignored: the store is in memory", flag)
    if overruled:
        log.warning("with --config-file other flags and ETCD_ variables are ignored")
    if flags["data-dir"]:
        log.warning("--data-dir: nothing is written there, the store is in memory")
    return run_command(lambda: _serve(config, compaction), UsageError, KvClusterError, PeerRefusedError, OSError)


def _urls(text: str) -> tuple[str, ...]:
    return tuple(url.strip() for url in text.split(",") if url.strip())


def build_config(flags: Mapping[str, Any]) -> ServerConfig:
    """The checked configuration. Raises ConfigError."""
    if flags["data-dir"] and not flags["unsafe-no-fsync"]:
        raise ConfigError(
            "--data-dir: storage on disk does not exist yet; with --unsafe-no-fsync, which says that losing data is no harm, "
            "it is accepted, and nothing is written there"
        )
    config = ServerConfig(
        name=flags["name"],
        listen_client_urls=_urls(flags["listen-client-urls"]),
        advertise_client_urls=_urls(flags["advertise-client-urls"]),
        listen_client_http_urls=_urls(flags["listen-client-http-urls"]),
        listen_metrics_urls=_urls(flags["listen-metrics-urls"]),
        listen_peer_urls=_urls(flags["listen-peer-urls"]),
        initial_advertise_peer_urls=_urls(flags["initial-advertise-peer-urls"]),
        initial_cluster=flags["initial-cluster"],
        initial_cluster_token=flags["initial-cluster-token"],
        initial_cluster_state=flags["initial-cluster-state"],
        heartbeat_interval=flags["heartbeat-interval"],
        election_timeout=flags["election-timeout"],
        snapshot_count=flags["snapshot-count"],
        max_request_bytes=flags["max-request-bytes"],
        max_txn_ops=flags["max-txn-ops"],
        max_concurrent_streams=flags["max-concurrent-streams"],
        quota_backend_bytes=flags["quota-backend-bytes"],
        watch_progress_notify_interval_s=parse_duration(
            "watch-progress-notify-interval", flags["watch-progress-notify-interval"]
        ),
        auth_token=flags["auth-token"],
        auth_token_ttl_s=flags["auth-token-ttl"],
        bcrypt_cost=flags["bcrypt-cost"],
        client_tls=_tls(flags, "", "client-crl-file"),
        peer_tls=_tls(flags, "peer-", "peer-crl-file"),
        cors=_urls(flags["cors"]),
        host_whitelist=_urls(flags["host-whitelist"]),
        enable_grpc_gateway=flags["enable-grpc-gateway"],
        transport=flags["transport"],
        log_level=flags["log-level"],
    )
    config.validate()
    return config


def _tls(flags: Mapping[str, Any], prefix: str, crl_flag: str) -> TlsFiles:
    return TlsFiles(
        cert_file=flags[f"{prefix}cert-file"],
        key_file=flags[f"{prefix}key-file"],
        trusted_ca_file=flags[f"{prefix}trusted-ca-file"],
        client_cert_auth=flags[f"{prefix}client-cert-auth"],
        crl_file=flags[crl_flag],
        is_auto=flags[f"{prefix}auto-tls"],
        min_version=flags["tls-min-version"],
        max_version=flags["tls-max-version"],
        prefix=prefix,
    )


Compaction = Callable[[Server], Awaitable[None]]


def build_compaction(flags: Mapping[str, Any]) -> Compaction | None:
    """What compacts a server until it is cancelled; None for retention 0, when nothing of it is loaded. Raises ConfigError."""
    if flags["auto-compaction-mode"] == "periodic" and flags["auto-compaction-retention"] == "0":
        return None
    from kvcluster.cluster import build_compactor, run_compactor
    from kvcluster.embedded import EmbeddedClient

    compactor = build_compactor(flags["auto-compaction-mode"], flags["auto-compaction-retention"])
    if compactor is None:
        return None
    return lambda server: run_compactor(compactor, server.member, EmbeddedClient(lambda: server.driver))


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
