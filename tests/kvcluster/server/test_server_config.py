"""Configurations that cannot work are refused by flag, before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from kvcluster.config import Address, ServerConfig, parse_initial_cluster, parse_url
from kvcluster.errors import ConfigError
from kvcluster.server import build_member_config

TWO = "a=http://127.0.0.1:1,b=http://127.0.0.1:2"
A = {"name": "a", "initial_advertise_peer_urls": ("http://127.0.0.1:1",), "listen_peer_urls": ("http://127.0.0.1:1",)}


def test_the_defaults_are_etcds_and_stay_on_this_machine():
    config = ServerConfig()
    config.validate()
    assert config.listen_client_urls == ("http://127.0.0.1:2379",)
    assert config.listen_peer_urls == ("http://127.0.0.1:2380",)
    assert (config.heartbeat_interval, config.election_timeout) == (100, 1000)
    assert config.max_request_bytes == 1_572_864
    assert config.members() == {"default": ("http://127.0.0.1:2380",)}


def test_a_cluster_of_two():
    config = ServerConfig(initial_cluster=TWO, **A)
    config.validate()
    member = build_member_config(config, ("http://127.0.0.1:9",), 5)
    other = build_member_config(
        ServerConfig(initial_cluster=TWO, **{**A, "name": "b", "initial_advertise_peer_urls": ("http://127.0.0.1:2",)}),
        (),
        6,
    )
    assert member.cluster_id == other.cluster_id
    assert member.id != other.id
    assert [record.id for record in member.members] == [record.id for record in other.members]
    assert (member.record.name, member.record.client_urls) == ("a", ("http://127.0.0.1:9",))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"listen_client_urls": ()}, "--listen-client-urls: at least one URL is needed"),
        (
            {"listen_client_urls": ("127.0.0.1:2379",)},
            '--listen-client-urls: "127.0.0.1:2379" is not of the form http://HOST:PORT',
        ),
        (
            {"listen_client_urls": ("https://127.0.0.1:1",)},
            "--listen-client-urls: https://127.0.0.1:1 needs --cert-file",
        ),
        ({"listen_peer_urls": ("http://127.0.0.1:99999",)}, "--listen-peer-urls: "),
        ({"advertise_client_urls": ("http://x",)}, "--advertise-client-urls: "),
        ({"initial_cluster": "nonsense"}, '--initial-cluster: "nonsense" is not of the form NAME=URL'),
        ({"initial_cluster": TWO}, '--initial-cluster: it has no member of this server\'s --name "default"'),
        ({"initial_cluster": TWO, "name": "a"}, "--initial-cluster: a has http://127.0.0.1:1 there, but"),
        ({**A, "initial_cluster": "a=http://127.0.0.1:1,b=http://127.0.0.1:1"}, "a and b have the same URL"),
        ({**A, "initial_cluster": TWO, "listen_peer_urls": ("http://127.0.0.1:0",)}, "--listen-peer-urls: port 0"),
        ({"initial_cluster_state": "existing"}, "--initial-cluster-state: existing needs the other members"),
        ({"heartbeat_interval": 0}, "--heartbeat-interval: 0 is not between"),
        ({"heartbeat_interval": 300}, "--election-timeout: 1000 ms must be at least 5 times --heartbeat-interval"),
        ({"election_timeout": 60_000}, "--election-timeout: 60000 ms is more than 50000"),
        ({"snapshot_count": 0}, "--snapshot-count: 0 must be at least 1"),
        ({"max_request_bytes": -1}, "--max-request-bytes: -1 must be at least 1"),
        ({"max_txn_ops": 0}, "--max-txn-ops: 0 must be at least 1"),
        ({"watch_progress_notify_interval_s": 0.0}, "--watch-progress-notify-interval: must be at least 100ms"),
        ({"transport": "quic"}, '--transport: "quic" is not one of native, grpcio'),
        ({"log_level": "loud"}, '--log-level: "loud" is not one of debug, info, warn, error'),
    ],
)
def test_refusals_name_the_flag(fields: dict[str, Any], text: str):
    with pytest.raises(ConfigError) as raised:
        ServerConfig(**fields).validate()
    assert text in str(raised.value)


def test_urls():
    assert parse_url("x", "http://[::1]:2379") == Address("::1", 2379)
    assert parse_url("x", "http://localhost:0/") == Address("localhost", 0)
    for url in ("", "http://", "http://:1", "http://a:-1", "http://a:b", "ftp://a:1", "http://a:1/path", "unix://a:1"):
        with pytest.raises(ConfigError, match="--x: "):
            parse_url("x", url)


def test_a_member_with_two_peer_urls():
    members = parse_initial_cluster("a=http://h:1, b=http://h:2,a=http://h:3")
    assert members == {"a": ("http://h:1", "http://h:3"), "b": ("http://h:2",)}
