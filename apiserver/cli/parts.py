"""One part alone: `apiserver serve`, `scheduler`, `controllers`, `nodes`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import yaml

import kvcluster
from apiserver.auth import KeyFileError, ServiceAccountTokens, SigningKeys
from apiserver.cli.running import UsageError, run_command, run_until
from apiserver.client import (
    Client,
    HttpTransport,
    KubeconfigError,
    LeaderElector,
    ServerUnreachableError,
    load_kubeconfig,
)
from apiserver.cluster import write_kubeconfig
from apiserver.config import ApiServerConfig
from apiserver.controllers import ControllerManager
from apiserver.errors import StatusError
from apiserver.nodes import Fleet, StageError, load_stages
from apiserver.scheduler import PluginError, Scheduler, SchedulerConfig, check_config, parse_config, with_plugins
from apiserver.server import ApiServer
from kvcluster.client import TlsConfig
from kvcluster.errors import KvClusterError

KNOWN_ERRORS = (KvClusterError, StatusError, ServerUnreachableError, KubeconfigError, OSError, TimeoutError)


def load_scheduler_config(path: Path | None, plugins: Sequence[str]) -> SchedulerConfig:
    """The configuration file, or the defaults, with the plugins of the command line. Raises UsageError.

    Plugins are looked for in the working directory too, as a user of `python -m` would expect.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        config = SchedulerConfig()
        if path is not None:
            config = parse_config(yaml.safe_load(path.read_text()))
        config = with_plugins(config, plugins)
        check_config(config)
        return config
    except (PluginError, OSError, yaml.YAMLError, UnicodeDecodeError) as cause:
        raise UsageError(str(cause)) from cause


def _check_files(tls: TlsConfig) -> None:
    """An http URL would never look at them. Raises UsageError."""
    flags = ("--etcd-cafile", "--etcd-certfile", "--etcd-keyfile")
    for flag, file in zip(flags, (tls.ca_file, tls.cert_file, tls.key_file), strict=True):
        if file and not Path(file).is_file():
            raise UsageError(f"{flag} {file}: no such file")


def run_serve(
    etcd_servers: str, store_tls: TlsConfig, config: ApiServerConfig, admin_kubeconfig: Path | None, log_level: str
) -> int:
    async def command(stop: asyncio.Event) -> int:
        endpoints = [url.strip() for url in etcd_servers.split(",") if url.strip()]
        if not endpoints:
            raise UsageError("--etcd-servers: name at least one URL")
        _check_files(store_tls)
        store = await kvcluster.connect(endpoints, tls=store_tls)
        try:
            server = ApiServer(config, store)
        except ValueError as cause:
            await store.close()
            raise UsageError(str(cause)) from cause
        try:
            await server.start()
            if admin_kubeconfig is not None:
                write_kubeconfig(admin_kubeconfig, server.url, server.credentials)
            print(f"serving on {server.url}", flush=True)
            await stop.wait()
        finally:
            await server.stop()
            await store.close()
        return 0

    return run_command(command, log_level, *KNOWN_ERRORS)


def _run_client(
    kubeconfig: Path,
    log_level: str,
    user_agent: str,
    start: Callable[[Client], Awaitable[Any]],
    *errors: type[Exception],
) -> int:
    async def command(stop: asyncio.Event) -> int:
        transport = HttpTransport.from_kubeconfig(load_kubeconfig(kubeconfig))
        client = Client(transport, user_agent=user_agent)
        try:
            return await run_until(stop, start(client))
        finally:
            await transport.close()

    return run_command(command, log_level, *KNOWN_ERRORS, *errors)


class LostLeadershipError(Exception):
    """Another leads now; this process is to end, as kube-controller-manager does, and may be started again."""


async def _lead(client: Client, name: str, elect: bool, run: Callable[[], Awaitable[None]]) -> None:
    """Runs a part; with `elect` only while it holds the Lease kube-system/NAME, as the real component of that name does.

    So one of ours and a real one can wait for each other.
    """
    if not elect:
        await run()
        return
    await LeaderElector(client, name, f"{socket.gethostname()}_{uuid4()}").run(run)
    raise LostLeadershipError(f"{name}: leader election lost")


def run_scheduler(
    kubeconfig: Path, config: Path | None, plugins: Sequence[str], log_level: str, *, leader_elect: bool = False
) -> int:
    async def start(client: Client) -> None:
        scheduler = Scheduler(client, load_scheduler_config(config, plugins))
        await _lead(client, "kube-scheduler", leader_elect, scheduler.run)

    return _run_client(kubeconfig, log_level, "kube-scheduler/kvcluster", start, PluginError, LostLeadershipError)


class SigningFiles(NamedTuple):
    """An authority that signs certificate requests, and a key that signs the tokens of secrets; None: nothing is signed."""

    certificate: Path | None = None
    key: Path | None = None
    account_key: Path | None = None


def _read_authority(files: SigningFiles) -> Callable[[], tuple[bytes, bytes]] | None:
    """Raises UsageError where one of the files is missing or cannot be read."""
    if files.certificate is None and files.key is None:
        return None
    if files.certificate is None or files.key is None:
        raise UsageError("--cluster-signing-cert-file and --cluster-signing-key-file go together")
    try:
        read = files.certificate.read_bytes(), files.key.read_bytes()
    except OSError as cause:
        raise UsageError(f"cannot read {cause.filename}: {cause.strerror}") from cause
    return lambda: read


def _read_account_key(file: Path | None) -> Callable[[Any, str], str] | None:
    """Raises UsageError."""
    if file is None:
        return None
    try:
        return ServiceAccountTokens(SigningKeys(str(file)), ("",), (), time.time).issue_for_secret
    except KeyFileError as cause:
        raise UsageError(str(cause)) from cause


def run_controllers(
    kubeconfig: Path, names: str, files: SigningFiles, log_level: str, *, leader_elect: bool = False
) -> int:
    async def start(client: Client) -> None:
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        signing, sign_account_token = _read_authority(files), _read_account_key(files.account_key)
        root_ca = load_kubeconfig(kubeconfig).authority
        try:
            manager = ControllerManager(
                client, names=wanted, root_ca=root_ca, signing=signing, sign_account_token=sign_account_token
            )
        except ValueError as cause:
            raise UsageError(f"--controllers: {cause}") from cause
        await _lead(client, "kube-controller-manager", leader_elect, manager.run)

    return _run_client(kubeconfig, log_level, "kube-controller-manager/kvcluster", start, LostLeadershipError)


def run_nodes(kubeconfig: Path, count: int, stages: Path | None, log_level: str) -> int:
    async def start(client: Client) -> None:
        try:
            loaded = load_stages(stages) if stages is not None else None
        except StageError as cause:
            raise UsageError(str(cause)) from cause
        await Fleet(client, count, loaded).run()

    return _run_client(kubeconfig, log_level, "kubelet/kvcluster", start)
