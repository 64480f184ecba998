"""The flags of what services are given and what is admitted."""

from __future__ import annotations

import pytest
import typer

from apiserver.cli.serving_flags import build_config
from apiserver.config import AccessConfig, ApiServerConfig


def test_the_defaults_are_those_of_the_server():
    config = build_config("127.0.0.1", 0, AccessConfig(), "10.96.0.0/16", "30000-32767", "")
    assert config == ApiServerConfig()


def test_flags_have_kubernetes_forms():
    config = build_config(
        "127.0.0.1", 0, AccessConfig(), "10.0.0.0/24, fd00::/112", "31000-31010", "ServiceAccount,Priority"
    )
    assert config.service_networks == ("10.0.0.0/24", "fd00::/112")
    assert config.node_ports == (31000, 31010)
    assert config.disabled_admission == ("ServiceAccount", "Priority")


@pytest.mark.parametrize("ports", ["30000", "a-b", "2-1", "0-5", "1-70000", ""])
def test_a_range_of_ports_has_two_ends(ports: str):
    with pytest.raises(typer.BadParameter):
        build_config("127.0.0.1", 0, AccessConfig(), "10.96.0.0/16", ports, "")
