"""The `apiserver` command: up, serve, scheduler, controllers, nodes, kubeconfig, version.

This file holds the flags and nothing else; cli/up.py is what `up` does, cli/parts.py runs one part alone. A wrong flag
ends with exit code 2, a failure with 1, each with one line that says what to do; Ctrl-C and SIGTERM end everything
within two seconds with exit code 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apiserver.cli import access_flags, serving_flags
from apiserver.cli.parts import SigningFiles, run_controllers, run_nodes, run_scheduler, run_serve
from apiserver.cli.up import UpOptions, run_up
from kvcluster.client import TlsConfig

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, help=__doc__
)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Kubeconfig = Annotated[Path, typer.Option("--kubeconfig", help="The API server to work for. Never guessed.")]
Plugins = Annotated[
    list[str], typer.Option("--scheduler-plugin", metavar="MODULE:CLASS[=WEIGHT]", help="A further scheduler plugin.")
]
SchedulerFile = Annotated[
    Path | None, typer.Option("--scheduler-config", help="A KubeSchedulerConfiguration file (see docs/scheduler.md).")
]
LeaderElect = Annotated[
    bool, typer.Option("--leader-elect", help="Work only while no other does, by the Lease that the real one uses.")
]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]


@app.command()
def up(
    nodes: Annotated[int, typer.Option(min=0, max=5000, help="Simulated nodes.")] = 3,
    replicas: Annotated[int, typer.Option(help="Members of the store: 1 or 3.")] = 1,
    processes: Annotated[bool, typer.Option("--processes", help="Separate processes instead of one.")] = False,
    kubeconfig: Annotated[Path, typer.Option(help="Where to write the kubeconfig.")] = Path(".kvcluster/kubeconfig"),
    apply: Annotated[list[Path], typer.Option(help="Manifests to create; waits for their pods.")] = [],  # noqa: B006
    port: Annotated[int | None, typer.Option(help="Port of the API server. Default: 6443, or a free one.")] = None,
    store_port: Annotated[int | None, typer.Option(help="gRPC port of the store. Default: 2379, or free.")] = None,
    host: Host = "127.0.0.1",
    tls: access_flags.Tls = False,
    authorization_mode: access_flags.AuthorizationMode = "AlwaysAllow",
    token_auth_file: access_flags.TokenAuthFile = "",
    cert_dir: access_flags.CertDir = "",
    insecure: access_flags.Insecure = False,
    scheduler_plugin: Plugins = [],  # noqa: B006
    scheduler_config: SchedulerFile = None,
    only: Annotated[
        str, typer.Option("--controllers", help='Names with commas; "*" = all, "-name" = not it, "" = none.')
    ] = "*",
    log_level: LogLevel = "warning",
) -> None:
    """Start a whole cluster, show it, and stay up until Ctrl-C."""
    access = access_flags.build_access(
        tls=tls, cert_dir=cert_dir, token_auth_file=token_auth_file, authorization_mode=authorization_mode,
        insecure=insecure,
    )  # fmt: skip
    options = UpOptions(
        nodes=nodes, replicas=replicas, processes=processes, kubeconfig=kubeconfig, manifests=tuple(apply), port=port,
        store_port=store_port, host=host, plugins=tuple(scheduler_plugin), scheduler_config=scheduler_config,
        access=access, controllers=tuple(name.strip() for name in only.split(",") if name.strip()),
    )  # fmt: skip
    raise typer.Exit(run_up(options, log_level))


@app.command()
def serve(
    etcd_servers: Annotated[str, typer.Option(help="URLs of any etcd v3, ours or a real one, with commas.")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 = any free one.")] = 6443,
    host: Host = "127.0.0.1",
    admin_kubeconfig: Annotated[
        Path | None, typer.Option(help="Where to write the kubeconfig of an administrator.")
    ] = None,
    tls: access_flags.Tls = False,
    cert_dir: access_flags.CertDir = "",
    tls_cert_file: access_flags.TlsCertFile = "",
    tls_private_key_file: access_flags.TlsKeyFile = "",
    client_ca_file: access_flags.ClientCaFile = "",
    token_auth_file: access_flags.TokenAuthFile = "",
    authorization_mode: access_flags.AuthorizationMode = "AlwaysAllow",
    anonymous_auth: access_flags.AnonymousAuth = None,
    service_account_issuer: access_flags.Issuer = [],  # noqa: B006
    service_account_signing_key_file: access_flags.SigningKeyFile = "",
    service_account_key_file: access_flags.KeyFiles = [],  # noqa: B006
    service_account_max_token_expiration: access_flags.MaxTokenExpiration = 0,
    api_audiences: access_flags.ApiAudiences = "",
    requestheader_client_ca_file: access_flags.ProxyCaFile = "",
    requestheader_allowed_names: access_flags.ProxyNames = "",
    etcd_cafile: access_flags.EtcdCaFile = "",
    etcd_certfile: access_flags.EtcdCertFile = "",
    etcd_keyfile: access_flags.EtcdKeyFile = "",
    insecure: access_flags.Insecure = False,
    service_cluster_ip_range: serving_flags.Networks = "10.96.0.0/16",
    service_node_port_range: serving_flags.NodePorts = "30000-32767",
    disable_admission_plugins: serving_flags.WithoutPlugins = "",
    max_requests_inflight: serving_flags.MaxReading = 400,
    max_mutating_requests_inflight: serving_flags.MaxWriting = 200,
    etcd_compaction_interval: serving_flags.Compaction = "5m0s",
    log_level: LogLevel = "warning",
) -> None:
    """Run the API server alone on an etcd."""
    access = access_flags.build_access(
        tls=tls, cert_dir=cert_dir, tls_cert_file=tls_cert_file, tls_private_key_file=tls_private_key_file,
        client_ca_file=client_ca_file, token_auth_file=token_auth_file, authorization_mode=authorization_mode,
        anonymous_auth=anonymous_auth, service_account_issuers=service_account_issuer,
        service_account_signing_key_file=service_account_signing_key_file,
        service_account_key_files=service_account_key_file,
        service_account_max_token_expiration_s=service_account_max_token_expiration, api_audiences=api_audiences,
        requestheader_client_ca_file=requestheader_client_ca_file,
        requestheader_allowed_names=requestheader_allowed_names, insecure=insecure,
    )  # fmt: skip
    config = serving_flags.build_config(
        host, port, access, service_cluster_ip_range, service_node_port_range, disable_admission_plugins,
        (max_requests_inflight, max_mutating_requests_inflight), etcd_compaction_interval,
    )  # fmt: skip
    store_tls = TlsConfig(etcd_cafile, etcd_certfile, etcd_keyfile)
    raise typer.Exit(run_serve(etcd_servers, store_tls, config, admin_kubeconfig, log_level))


@app.command()
def scheduler(
    kubeconfig: Kubeconfig,
    scheduler_plugin: Plugins = [],  # noqa: B006
    scheduler_config: SchedulerFile = None,
    leader_elect: LeaderElect = False,
    log_level: LogLevel = "warning",
) -> None:
    """Run the scheduler alone against any API server."""
    code = run_scheduler(kubeconfig, scheduler_config, scheduler_plugin, log_level, leader_elect=leader_elect)
    raise typer.Exit(code)


@app.command()
def controllers(
    kubeconfig: Kubeconfig,
    only: Annotated[str, typer.Option("--controllers", help='Names with commas; "*" = all, "-name" = not it.')] = "*",
    cluster_signing_cert_file: Annotated[
        Path | None, typer.Option(help="The authority that signs certificate requests. Default: none are signed.")
    ] = None,
    cluster_signing_key_file: Annotated[Path | None, typer.Option(help="Its private key.")] = None,
    service_account_private_key_file: Annotated[
        Path | None, typer.Option(help="What the tokens of secrets are signed with. Default: none are made.")
    ] = None,
    leader_elect: LeaderElect = False,
    log_level: LogLevel = "warning",
) -> None:
    """Run the controllers alone against any API server."""
    files = SigningFiles(cluster_signing_cert_file, cluster_signing_key_file, service_account_private_key_file)
    raise typer.Exit(run_controllers(kubeconfig, only, files, log_level, leader_elect=leader_elect))


@app.command()
def nodes(
    kubeconfig: Kubeconfig,
    count: Annotated[int, typer.Option(min=1, max=5000, help="How many nodes.")] = 3,
    stages: Annotated[
        Path | None, typer.Option(help="A folder or file of stages instead of the built-in ones.")
    ] = None,
    log_level: LogLevel = "warning",
) -> None:
    """Run simulated nodes alone against any API server."""
    raise typer.Exit(run_nodes(kubeconfig, count, stages, log_level))


@app.command(name="kubeconfig")
def kubeconfig_of(
    server: Annotated[str, typer.Option(help="URL of the API server, https://…")],
    cert_dir: Annotated[Path, typer.Option(help="Where the API server keeps its authority (its --cert-dir).")],
    user: Annotated[str, typer.Option(help="Who it is for.")],
    group: Annotated[list[str], typer.Option(help="A group of theirs; may be said several times.")] = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: the terminal.")] = None,
) -> None:
    """Make a kubeconfig for somebody, with a client certificate."""
    from apiserver.cli.user_kubeconfig import run_kubeconfig  # cryptography is loaded for this alone

    raise typer.Exit(run_kubeconfig(server, cert_dir, user, group, out))


def main() -> None:
    """The console script."""
    app()
