"""kube-apiserver's flags of what services are given and what is admitted, under its names."""

from __future__ import annotations

from typing import Annotated

import typer

from apiserver.config import AccessConfig, ApiServerConfig

Networks = Annotated[
    str, typer.Option(help="The network of the services' addresses; with a comma, one of each IP family.")
]
NodePorts = Annotated[str, typer.Option(help="The ports of the nodes that services may have: FIRST-LAST.")]
WithoutPlugins = Annotated[str, typer.Option(help="Admission plugins to leave out, with commas.")]


def build_config(
    host: str, port: int, access: AccessConfig, networks: str, node_ports: str, without: str
) -> ApiServerConfig:
    """Raises typer.BadParameter for ports that are no range; networks and plugins are checked where they are used."""
    first, dash, last = node_ports.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last) <= 65535):
        raise typer.BadParameter(f"--service-node-port-range {node_ports}: expected FIRST-LAST")
    return ApiServerConfig(
        host=host,
        port=port,
        access=access,
        service_networks=_words(networks),
        node_ports=(int(first), int(last)),
        disabled_admission=_words(without),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
