"""`kvcluster serve`: one member, until a signal, or until the others refuse it."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import NamedTuple

from kvcluster.cli.running import UsageError, fail, run_command
from kvcluster.cluster import Compactor, build_compactor, parse_duration, run_compactor
from kvcluster.config import ServerConfig
from kvcluster.embedded import EmbeddedClient
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
    auto_compaction_mode: str
    auto_compaction_retention: str
    watch_progress_notify_interval: str
    transport: str
    log_level: str
    data_dir: str | None
    ignored: tuple[str, ...]


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
        watch_progress_notify_interval_s=parse_duration(
            "watch-progress-notify-interval", options.watch_progress_notify_interval
        ),
        transport=options.transport,
        log_level=options.log_level,
    )
    config.validate()
    return config


def run_serve(options: ServeOptions) -> int:
    """The exit code of `kvcluster serve`."""
    try:
        config = build_config(options)
        compactor = build_compactor(options.auto_compaction_mode, options.auto_compaction_retention)
    except ConfigError as error:
        return fail(str(error), 2)
    logging.basicConfig(
        level=config.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for flag in options.ignored:
        log.warning("--%s is accepted and ignored: the store is in memory", flag)
    return run_command(lambda: _serve(config, compactor), UsageError, KvClusterError, PeerRefusedError, OSError)


async def _serve(config: ServerConfig, compactor: Compactor | None) -> int:
    server = Server(config)
    tasks: list[asyncio.Task[None]] = []
    try:
        await server.start()
        print(f"serving on {server.client_url}", flush=True)
        tasks.append(asyncio.ensure_future(_report_ready(server)))
        if compactor is not None:
            client = EmbeddedClient(lambda: server.driver)
            tasks.append(asyncio.ensure_future(run_compactor(compactor, server.member, client)))
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
