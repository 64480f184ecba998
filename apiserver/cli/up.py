"""`apiserver up`: start a cluster, apply manifests, wait for their pods, show it all, stay until Ctrl-C, leave nothing.

What is written (the kubeconfig) is removed again at the end; the manifests' objects live in the cluster's memory only.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import kvcluster
from apiserver.cli.access_flags import as_arguments
from apiserver.cli.parts import KNOWN_ERRORS, load_scheduler_config
from apiserver.cli.running import STOP_S, UsageError, run_command
from apiserver.client import Client
from apiserver.cluster import (
    GRACE_S,
    MEMBER_PORTS,
    LocalCluster,
    ManifestError,
    ProcessFailed,
    SupervisedCluster,
    apply_manifests,
    is_node_ready,
    is_pod_running,
    load_manifests,
    wait_for,
    write_kubeconfig,
)
from apiserver.config import AccessConfig
from apiserver.scheduler import PluginError

API_PORT, STORE_PORT = 6443, 2379
READY_S = 60.0


class UpOptions(NamedTuple):
    nodes: int
    replicas: int
    processes: bool
    kubeconfig: Path
    manifests: tuple[Path, ...]
    port: int | None
    store_port: int | None
    host: str
    plugins: tuple[str, ...]
    scheduler_config: Path | None
    access: AccessConfig = AccessConfig()
    controllers: tuple[str, ...] = ("*",)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _choose(host: str, asked: int | None, usual: int, members: int = 1) -> int:
    """The port asked for (whether free or not: then starting says so), else the usual one, else 0 = any free one."""
    if asked is not None:
        return asked
    return usual if all(_is_free(host, usual + offset) for offset in MEMBER_PORTS[:members]) else 0


def _build(options: UpOptions) -> LocalCluster | SupervisedCluster:
    if options.replicas not in (1, 3):
        raise UsageError(f"--replicas {options.replicas}: the store has 1 member or 3")
    config = load_scheduler_config(options.scheduler_config, options.plugins)
    port = _choose(options.host, options.port, API_PORT)
    store_port = _choose(options.host, options.store_port, STORE_PORT, options.replicas)
    if not options.processes:
        return LocalCluster(
            nodes=options.nodes, replicas=options.replicas, host=options.host, port=port, store_port=store_port,
            scheduler=config, access=options.access, controllers=options.controllers or None,
        )  # fmt: skip
    scheduler_args = [f"--scheduler-plugin={plugin}" for plugin in options.plugins]
    if options.scheduler_config is not None:
        scheduler_args.append(f"--scheduler-config={options.scheduler_config.absolute()}")
    return SupervisedCluster(
        nodes=options.nodes,
        replicas=options.replicas,
        port=port,
        store_port=store_port,
        host=options.host,
        scheduler_args=scheduler_args,
        server_args=as_arguments(options.access),
        controllers=options.controllers,
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


async def _members_table(store_urls: list[str]) -> Table:
    table = _table("Members of the store", "NAME", "ID", "ROLE", "REVISION", "ENDPOINT")
    for url in store_urls:
        client = await kvcluster.connect([url])
        try:
            status = await client.status()
            names = {member.id: member.name for member in await client.members()}
        finally:
            await client.close()
        role = "leader" if status.leader == status.member_id else "follower"
        table.add_row(names.get(status.member_id, ""), f"{status.member_id:x}", role, str(status.revision), url)
    return table


def _nodes_table(nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> Table:
    table = _table("Nodes", "NAME", "STATUS", "CPU", "MEMORY", "PODS")
    for node in nodes:
        name, capacity = node["metadata"]["name"], node["status"]["capacity"]
        held = sum(pod["spec"].get("nodeName") == name for pod in pods)
        ready = "Ready" if is_node_ready(node) else "NotReady"
        table.add_row(name, ready, str(capacity["cpu"]), str(capacity["memory"]), str(held))
    return table


def _pods_table(pods: list[dict[str, Any]]) -> Table:
    table = _table("Pods", "NAMESPACE", "NAME", "STATUS", "IP", "NODE")
    for pod in pods:
        metadata, status = pod["metadata"], pod.get("status") or {}
        where = pod["spec"].get("nodeName", "")
        table.add_row(metadata["namespace"], metadata["name"], status.get("phase", ""), status.get("podIP", ""), where)
    return table


def _expected_pods(objects: list[dict[str, Any]]) -> int:
    """How many pods the manifests ask for: what Deployments and ReplicaSets say, and pods themselves."""
    total = 0
    for obj in objects:
        if obj["kind"] in ("Deployment", "ReplicaSet"):
            total += int((obj.get("spec") or {}).get("replicas", 1))
        elif obj["kind"] == "Pod":
            total += 1
    return total


async def _wait_ready(client: Client, options: UpOptions, pods: int) -> None:
    def nodes_ready(known: dict[str, Any]) -> bool:
        return sum(is_node_ready(node) for node in known.values()) >= options.nodes

    def pods_ready(known: dict[str, Any]) -> bool:
        return sum(is_pod_running(pod) for pod in known.values()) >= pods

    try:
        async with asyncio.timeout(READY_S):
            await wait_for(client, "nodes", nodes_ready)
            if options.nodes:
                await wait_for(client, "pods", pods_ready)
    except TimeoutError:
        raise ProcessFailed(f"the nodes and pods were not ready within {READY_S:.0f} s") from None


async def _show(console: Console, cluster: LocalCluster | SupervisedCluster, options: UpOptions) -> None:
    client = cluster.client()
    nodes, _ = await client.list_all("nodes")
    pods, _ = await client.list_all("pods")
    console.print(await _members_table(cluster.store_urls))
    console.print(_nodes_table(nodes, pods))
    if pods:
        console.print(_pods_table(pods))
    console.print("Reach it from another terminal:")
    # Lines to be copied: never wrapped, never coloured.
    print(f"  export KUBECONFIG={options.kubeconfig.absolute()}")
    print("  kubectl get pods -o wide")
    print(f"  etcdctl --endpoints {','.join(cluster.store_urls)} get /registry/ --prefix --keys-only")
    print("Ctrl-C stops it.", flush=True)


async def _failure(cluster: LocalCluster | SupervisedCluster) -> None:
    """Waits until a part of the cluster fails, and raises what it said."""
    if isinstance(cluster, SupervisedCluster):
        raise ProcessFailed(await cluster.wait_failed())
    assert cluster.failed is not None
    await cluster.failed


async def _bring_up(
    cluster: LocalCluster | SupervisedCluster, options: UpOptions, objects: list[dict[str, Any]]
) -> None:
    async with cluster:
        write_kubeconfig(options.kubeconfig, cluster.url, cluster.credentials)
        try:
            client = cluster.client()
            for line in await apply_manifests(client, objects):
                print(line)
            await _wait_ready(client, options, _expected_pods(objects))
            await _show(Console(), cluster, options)
            await _failure(cluster)
        finally:
            options.kubeconfig.unlink(missing_ok=True)


def run_up(options: UpOptions, log_level: str) -> int:
    """The exit code of `apiserver up`."""

    async def command(stop: asyncio.Event) -> int:
        objects = [obj for path in options.manifests for obj in load_manifests(path)]
        cluster = _build(options)
        bringing = asyncio.ensure_future(_bring_up(cluster, options, objects))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({bringing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not bringing.done():
            bringing.cancel()
            await asyncio.wait({bringing})
            return 0
        bringing.result()
        return 0

    known = (*KNOWN_ERRORS, ManifestError, ProcessFailed, PluginError, ValueError)
    # Children that outlive us would hold their ports: each of three rounds of them may need its grace period.
    stop_s = 3 * GRACE_S + STOP_S if options.processes else STOP_S
    return run_command(command, log_level, *known, stop_s=stop_s)
