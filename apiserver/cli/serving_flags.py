"""kube-apiserver's flags of what services are given and what is admitted, under its names."""

from __future__ import annotations

from typing import Annotated

import typer

from apiserver.config import AccessConfig, ApiServerConfig
from apiserver.meta import parse_duration

Networks = Annotated[
    str, typer.Option(help="The network of the services' addresses; with a comma, one of each IP family.")
]
NodePorts = Annotated[str, typer.Option(help="The ports of the nodes that services may have: FIRST-LAST.")]
MaxReading = Annotated[int, typer.Option(min=1, help="Reads that are served at once; one more is told to come back.")]
MaxWriting = Annotated[int, typer.Option(min=1, help="Writes that are served at once.")]
Compaction = Annotated[str, typer.Option(help="How often the store's history is dropped, as in 5m0s; 0 = never.")]
WithoutPlugins = Annotated[str, typer.Option(help="Admission plugins to leave out, with commas.")]


def build_config(
    host: str,
    port: int,
    access: AccessConfig,
    networks: str,
    node_ports: str,
    without: str,
    in_flight: tuple[int, int],
    compaction: str,
) -> ApiServerConfig:
    """in_flight: reads, writes. Raises typer.BadParameter; networks and plugins are checked where they are used."""
    first, dash, last = node_ports.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last) <= 65535):
        raise typer.BadParameter(f"--service-node-port-range {node_ports}: expected FIRST-LAST")
    compaction_s = parse_duration(compaction)
    if compaction_s is None or compaction_s < 0:
        raise typer.BadParameter(f"--etcd-compaction-interval {compaction}: expected a duration such as 5m0s")
    return ApiServerConfig(
        host=host,
        port=port,
        access=access,
        service_networks=_words(networks),
        node_ports=(int(first), int(last)),
        disabled_admission=_words(without),
        compaction_interval_s=compaction_s,
        max_requests_in_flight=in_flight[0],
        max_mutating_in_flight=in_flight[1],
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
