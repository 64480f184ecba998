"""The flags of `kvcluster serve`: Go's notation, the environment, the file, and what each mistake is answered with."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.cli.config_file import read_config_file
from kvcluster.cli.flags import FLAGS, IGNORED, REFUSED, help_text, parse_flags, variable_of
from kvcluster.cli.logs import JsonFormatter, set_up_logs
from kvcluster.cli.serving import build_config
from kvcluster.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--name", "a"], "name", "a"),
        (["--name=a"], "name", "a"),
        (["-name=a"], "name", "a"),
        (["-name", "a"], "name", "a"),
        (["--name", "-a"], "name", "-a"),
        (["--name="], "name", ""),
        (["--name=a=b"], "name", "a=b"),
        (["--snapshot-count", "7"], "snapshot-count", 7),
        (["--quota-backend-bytes", "-1"], "quota-backend-bytes", -1),
        (["--auto-tls"], "auto-tls", True),
        (["--auto-tls=true"], "auto-tls", True),
        (["--auto-tls=F"], "auto-tls", False),
        (["--enable-grpc-gateway=false"], "enable-grpc-gateway", False),
        (["--name=a", "--name=b"], "name", "b"),
        (["--experimental-watch-progress-notify-interval=5s"], "watch-progress-notify-interval", "5s"),
    ],
)
def test_gos_notation(arguments: list[str], name: str, value: object) -> None:
    assert parse_flags(arguments, {})[0][name] == value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nonsense"], "--nonsense is not known"),
        (["--nam=x"], "--nam is not known"),
        (["serve"], '"serve" is no flag'),
        (["--"], '"--" is no flag'),
        (["---name=x"], "--name=x"),
        (["--name"], "--name needs a value"),
        (["--snapshot-count=many"], '--snapshot-count: "many" is not a number'),
        (["--auto-tls=maybe"], '--auto-tls: "maybe" is neither true nor false'),
        (["--discovery=https://discovery"], "--discovery: finding members by a discovery service is not supported"),
        (["--discovery-srv", "example.com"], "name them in --initial-cluster"),
        (["--cipher-suites=TLS_X"], "--cipher-suites: not supported"),
    ],
)
def test_mistakes(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_flags(arguments, {})
    assert said in str(raised.value) or "is not known" in str(raised.value)


def test_what_is_ignored_is_told() -> None:
    flags, ignored = parse_flags(["--logger=zap", "--pre-vote", "--max-wals", "3", "--logger", "zap", "--name=a"], {})
    assert (ignored, flags["name"]) == (["logger", "pre-vote", "max-wals"], "a")


def test_the_environment_speaks_where_the_command_line_does_not() -> None:
    environment = {"ETCD_NAME": "a", "ETCD_MAX_TXN_OPS": "7", "ETCD_SNAPSHOT_COUNT": "8", "ETCD_AUTO_TLS": "true",
                   "ETCD_LOGGER": "zap", "ETCDCTL_API": "3"}  # fmt: skip
    flags, ignored = parse_flags(["--snapshot-count", "9"], environment)
    assert (flags["name"], flags["max-txn-ops"], flags["snapshot-count"], flags["auto-tls"]) == ("a", 7, 9, True)
    assert ignored == ["logger"]
    assert variable_of("listen-client-urls") == "ETCD_LISTEN_CLIENT_URLS"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ETCD_MAX_TXN_OPS": "many"}, 'ETCD_MAX_TXN_OPS: "many" is not a number'),
        ({"ETCD_AUTO_TLS": "2"}, "ETCD_AUTO_TLS"),
        ({"ETCD_DISCOVERY": "x"}, "ETCD_DISCOVERY: finding members"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_flags([], environment)


@given(
    st.lists(st.one_of(st.text(max_size=12), st.sampled_from([f"--{name}" for name in (*FLAGS, *IGNORED, *REFUSED)])))
)
def test_whatever_is_written_is_read_or_refused(arguments: list[str]) -> None:
    try:
        flags, _ = parse_flags(arguments, {})
    except ConfigError:
        return
    assert flags.keys() == FLAGS.keys()


def test_help_names_every_flag() -> None:
    text = help_text()
    assert all(f"--{name}" in text for name in (*FLAGS, *IGNORED, *REFUSED))


def test_a_data_dir_needs_to_hear_that_nothing_is_kept() -> None:
    flags, _ = parse_flags(["--data-dir=x"], {})
    with pytest.raises(ConfigError, match="storage on disk does not exist yet"):
        build_config(flags)
    flags, _ = parse_flags(["--data-dir=x", "--unsafe-no-fsync=true"], {})
    build_config(flags)


# ---- the file ----


def test_a_file_says_what_flags_do(tmp_path: Path) -> None:
    (tmp_path / "etcd.yaml").write_text(
        """
name: m0
snapshot-count: 77
listen-client-urls: https://127.0.0.1:0, http://127.0.0.1:0
cors: [https://a, https://b]
enable-grpc-gateway: false
max-wals: 3
client-transport-security:
  cert-file: server.crt
  key-file: server.key
  trusted-ca-file: ca.crt
  client-cert-auth: true
peer-transport-security:
  auto-tls: true
"""
    )
    flags, ignored = read_config_file(str(tmp_path / "etcd.yaml"))
    config = build_config(flags | {"initial-cluster": "m0=http://127.0.0.1:2380"})
    assert (config.name, config.snapshot_count, ignored) == ("m0", 77, ["max-wals"])
    assert (config.client_tls.cert_file, config.client_tls.client_cert_auth) == ("server.crt", True)
    assert config.peer_tls.is_auto and config.cors == ("https://a", "https://b") and not config.enable_grpc_gateway


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "is no YAML"),
        ("- a", "holds no keys and values"),
        ("nonsense: 1", "nonsense is not known"),
        ("config-file: x", "config-file is not known"),
        ("snapshot-count: many", 'snapshot-count: "many" is not a number'),
        ("name: {a: b}", "name: expected a single value"),
        ("auto-tls: maybe", "neither true nor false"),
        ("discovery: https://x", "finding members"),
        ("client-transport-security: x", "holds no keys and values"),
        ("client-transport-security: {color: red}", "client-transport-security.color is not known"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "etcd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        read_config_file(str(path))
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="cannot read /nowhere"):
        read_config_file("/nowhere")


# ---- logs ----


def test_a_line_of_json_has_etcds_shape() -> None:
    record = logging.LogRecord("kvcluster", logging.WARNING, "/x/kvcluster/server/a.py", 7, "said %s", ("é",), None)
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["msg"], line["caller"]) == ("warn", "said é", "server/a.py:7")
    assert line["ts"].endswith("Z") and "T" in line["ts"]


@pytest.mark.parametrize(("format", "outputs"), [("xml", ["stderr"]), ("json", ["/nowhere/log"])])
def test_logs_that_cannot_be_written(format: str, outputs: list[str]) -> None:
    with pytest.raises(ConfigError):
        set_up_logs("info", format, outputs)
