"""How a server is started: etcd's flags as fields, checked whole before anything starts.

A flag of etcd that means something this server cannot do is refused by name (cli.py says which); none is ignored silently
unless ignoring it changes nothing a client could see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from kvcluster.errors import ConfigError

DEFAULT_QUOTA_BYTES = 2 * 1024**3
TRANSPORTS = ("native", "grpcio")
STATES = ("new", "existing")
LOG_LEVELS = ("debug", "info", "warn", "error", "panic", "fatal")
TLS_VERSIONS = ("", "TLS1.2", "TLS1.3")


_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Address(NamedTuple):
    """host and port of a URL."""

    host: str
    port: int


def parse_duration(flag: str, text: str) -> float:
    """Seconds of "1h30m", "500ms", "10s" (Go's notation; 0 needs no unit). Raises ConfigError naming the flag."""
    parts = _PARTS.findall(text)
    if text == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f'--{flag}: "{text}" is no duration; expected for example 500ms, 10s, 5m or 1h30m')
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def parse_url(flag: str, url: str) -> Address:
    """ "http://127.0.0.1:2379" → its address. Raises ConfigError naming the flag."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None or parts.path.strip("/"):
        raise ConfigError(f'--{flag}: "{url}" is not of the form http://HOST:PORT')
    return Address(parts.hostname, port)


def is_https(url: str) -> bool:
    return url.startswith("https:")


def parse_initial_cluster(text: str) -> dict[str, tuple[str, ...]]:
    """ "m0=http://a:2380,m1=http://b:2380" → peer URLs by name. Raises ConfigError."""
    members: dict[str, tuple[str, ...]] = {}
    for item in text.split(","):
        name, equals, url = item.strip().partition("=")
        if not equals or not name:
            raise ConfigError(f'--initial-cluster: "{item}" is not of the form NAME=URL')
        parse_url("initial-cluster", url)
        members[name] = (*members.get(name, ()), url)
    return members


class TlsFiles(NamedTuple):
    """One side's flags; `prefix` is what stands in front of their names ("peer-"). is_auto: --auto-tls."""

    cert_file: str = ""
    key_file: str = ""
    trusted_ca_file: str = ""
    client_cert_auth: bool = False
    crl_file: str = ""
    is_auto: bool = False
    min_version: str = ""
    max_version: str = ""
    prefix: str = ""

    @property
    def is_on(self) -> bool:
        return self.is_auto or bool(self.cert_file)

    def validate(self) -> None:
        """Raises ConfigError for flags that do not go together. The files are read by kvcluster/tls.py."""
        flag = f"--{self.prefix}"
        if bool(self.cert_file) != bool(self.key_file):
            raise ConfigError(f"{flag}cert-file and {flag}key-file go together")
        if self.client_cert_auth and not self.trusted_ca_file:
            raise ConfigError(f"{flag}client-cert-auth needs {flag}trusted-ca-file")
        for name, version in (("min", self.min_version), ("max", self.max_version)):
            if version not in TLS_VERSIONS:
                raise ConfigError(f'--tls-{name}-version: "{version}" is not one of TLS1.2, TLS1.3')
        if self.min_version and self.max_version and self.min_version > self.max_version:
            raise ConfigError("--tls-min-version is above --tls-max-version")


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """One server. URLs are tuples; port 0 = any free one (only for a cluster of one member). Times in milliseconds.

    advertise_client_urls empty: what is listened on. initial_cluster empty: this member alone.
    """

    name: str = "default"
    listen_client_urls: tuple[str, ...] = ("http://127.0.0.1:2379",)
    advertise_client_urls: tuple[str, ...] = ()
    listen_peer_urls: tuple[str, ...] = ("http://127.0.0.1:2380",)
    initial_advertise_peer_urls: tuple[str, ...] = ("http://127.0.0.1:2380",)
    initial_cluster: str = ""
    initial_cluster_token: str = "etcd-cluster"
    initial_cluster_state: str = "new"
    heartbeat_interval: int = 100
    election_timeout: int = 1000
    snapshot_count: int = 10_000
    max_request_bytes: int = 1536 * 1024
    max_txn_ops: int = 128
    quota_backend_bytes: int = 0
    watch_progress_notify_interval_s: float = 600.0
    auth_token: str = "simple"
    auth_token_ttl_s: int = 300
    bcrypt_cost: int = 10
    client_tls: TlsFiles = TlsFiles()
    peer_tls: TlsFiles = TlsFiles(prefix="peer-")
    listen_metrics_urls: tuple[str, ...] = ()
    listen_client_http_urls: tuple[str, ...] = ()
    cors: tuple[str, ...] = ("*",)
    host_whitelist: tuple[str, ...] = ("*",)
    enable_grpc_gateway: bool = True
    max_concurrent_streams: int = 0
    transport: str = "native"
    log_level: str = "info"

    @property
    def quota_bytes(self) -> int:
        """etcd: 0 is the default of 2 GiB, a negative number none at all. -> 0 for none."""
        return max(self.quota_backend_bytes, 0) or (DEFAULT_QUOTA_BYTES if not self.quota_backend_bytes else 0)

    def members(self) -> dict[str, tuple[str, ...]]:
        """Peer URLs by member name."""
        if not self.initial_cluster:
            return {self.name: self.initial_advertise_peer_urls}
        return parse_initial_cluster(self.initial_cluster)

    def validate(self) -> None:
        """Raises ConfigError with the flag's name and what would be right."""
        for flag, urls in (
            ("listen-client-urls", self.listen_client_urls),
            ("listen-peer-urls", self.listen_peer_urls),
            ("initial-advertise-peer-urls", self.initial_advertise_peer_urls),
        ):
            if not urls:
                raise ConfigError(f"--{flag}: at least one URL is needed")
        for flag, urls in (
            ("listen-client-urls", self.listen_client_urls),
            ("advertise-client-urls", self.advertise_client_urls),
            ("listen-peer-urls", self.listen_peer_urls),
            ("initial-advertise-peer-urls", self.initial_advertise_peer_urls),
        ):
            for url in urls:
                parse_url(flag, url)
        self._validate_tls()
        self._validate_members()
        self._validate_numbers()
        for flag, value, known in (
            ("transport", self.transport, TRANSPORTS),
            ("initial-cluster-state", self.initial_cluster_state, STATES),
            ("log-level", self.log_level, LOG_LEVELS),
        ):
            if value not in known:
                raise ConfigError(f'--{flag}: "{value}" is not one of {", ".join(known)}')

    def _validate_tls(self) -> None:
        for flag, urls, tls in (
            ("listen-client-urls", self.listen_client_urls, self.client_tls),
            ("listen-peer-urls", self.listen_peer_urls, self.peer_tls),
        ):
            tls.validate()
            for url in urls:
                if is_https(url) and not tls.is_on:
                    raise ConfigError(
                        f"--{flag}: {url} needs --{tls.prefix}cert-file and --{tls.prefix}key-file, "
                        f"or --{tls.prefix}auto-tls"
                    )
        if self.transport == "grpcio" and any(map(is_https, self.listen_client_urls)):
            raise ConfigError("--transport: grpcio, which is there to compare with, has no TLS; use native")
        for flag, urls in (
            ("listen-metrics-urls", self.listen_metrics_urls),
            ("listen-client-http-urls", self.listen_client_http_urls),
        ):
            for url in urls:
                parse_url(flag, url)
                if is_https(url) and not self.client_tls.is_on:
                    raise ConfigError(f"--{flag}: {url} needs --cert-file and --key-file, or --auto-tls")

    def _validate_members(self) -> None:
        members = self.members()
        if self.name not in members:
            raise ConfigError(f'--initial-cluster: it has no member of this server\'s --name "{self.name}"')
        if sorted(members[self.name]) != sorted(self.initial_advertise_peer_urls):
            raise ConfigError(
                f"--initial-cluster: {self.name} has {', '.join(members[self.name])} there, "
                f"but --initial-advertise-peer-urls is {', '.join(self.initial_advertise_peer_urls)}"
            )
        if self.initial_cluster_state == "existing" and len(members) < 2:
            raise ConfigError("--initial-cluster-state: existing needs the other members in --initial-cluster")
        owners: dict[str, str] = {}
        for name, urls in members.items():
            for url in urls:
                if owners.setdefault(url, name) != name:
                    raise ConfigError(f"--initial-cluster: {owners[url]} and {name} have the same URL {url}")
        if len(members) > 1 and any(parse_url("listen-peer-urls", url).port == 0 for url in self.listen_peer_urls):
            raise ConfigError("--listen-peer-urls: port 0 works only for a cluster of one member")

    def _validate_numbers(self) -> None:
        if not 1 <= self.heartbeat_interval <= 1000:
            raise ConfigError(f"--heartbeat-interval: {self.heartbeat_interval} is not between 1 and 1000 ms")
        if self.election_timeout < 5 * self.heartbeat_interval:
            raise ConfigError(
                f"--election-timeout: {self.election_timeout} ms must be at least 5 times "
                f"--heartbeat-interval ({self.heartbeat_interval} ms)"
            )
        if self.election_timeout > 50_000:
            raise ConfigError(f"--election-timeout: {self.election_timeout} ms is more than 50000")
        for flag, value in (
            ("snapshot-count", self.snapshot_count),
            ("max-request-bytes", self.max_request_bytes),
            ("max-txn-ops", self.max_txn_ops),
        ):
            if value < 1:
                raise ConfigError(f"--{flag}: {value} must be at least 1")
        if not 4 <= self.bcrypt_cost <= 31:
            raise ConfigError(f"--bcrypt-cost: {self.bcrypt_cost} is not between 4 and 31")
        if self.auth_token_ttl_s < 1:
            raise ConfigError(f"--auth-token-ttl: {self.auth_token_ttl_s} must be at least 1 second")
        if self.watch_progress_notify_interval_s < 0.1:
            raise ConfigError("--watch-progress-notify-interval: must be at least 100ms")
