"""The flags of `kvcluster serve`: etcd's names, in Go's notation (-name, --name=value, --name value, --switch, --switch=false).

    FLAGS     what works          default and help; the type is the default's
    IGNORED   what is accepted    because ignoring it changes nothing that a client could see
    REFUSED   what is not         with the reason, because a user who sets it counts on it

The command line comes first, then the environment (ETCD_NAME for --name), then the default. With --config-file the file alone
counts, as in etcd. Read by hand: no parser of the libraries knows Go's notation, and a member's start should not load one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kvcluster.errors import ConfigError

Default = str | int | bool

FLAGS: dict[str, tuple[Default, str]] = {
    "name": ("default", "This member's name in --initial-cluster."),
    "config-file": ("", "A YAML file in etcd's form; other flags and variables are then ignored."),
    "data-dir": ("", "Accepted with --unsafe-no-fsync only: nothing is written, data is in memory."),
    "unsafe-no-fsync": (False, "Says that losing the data is no harm."),
    "listen-client-urls": ("http://127.0.0.1:2379", "URLs with commas; port 0 = any free one."),
    "advertise-client-urls": ("", "What to tell clients. Default: the same."),
    "listen-client-http-urls": ("", "More URLs, for HTTP/1.1 only."),
    "listen-metrics-urls": ("", "More URLs, for probes and metrics only."),
    "listen-peer-urls": ("http://127.0.0.1:2380", "Where the other members reach this one."),
    "initial-advertise-peer-urls": ("http://127.0.0.1:2380", "The same, as the others know it."),
    "initial-cluster": ("", "NAME=PEER_URL,… of all members. Default: this one alone."),
    "initial-cluster-token": ("etcd-cluster", "Tells clusters apart."),
    "initial-cluster-state": ("new", "new, or existing: to join a cluster that this member was added to."),
    "heartbeat-interval": (100, "Milliseconds."),
    "election-timeout": (1000, "Milliseconds."),
    "snapshot-count": (10_000, "Entries of the log between snapshots."),
    "max-request-bytes": (1536 * 1024, "The largest request."),
    "max-txn-ops": (128, "The most operations of a transaction."),
    "max-concurrent-streams": (0, "The most calls at a time on a connection; 0: this program's own bound."),
    "quota-backend-bytes": (0, "The store's size at which the NOSPACE alarm is raised; 0 = 2 GiB, negative = none."),
    "auto-compaction-mode": ("periodic", "periodic or revision."),
    "auto-compaction-retention": ("0", "5m, 1 (hour), or revisions; 0 = off."),
    "watch-progress-notify-interval": ("10m", "A duration such as 5s or 10m."),
    "auth-token": ("simple", "simple, or jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=10m."),
    "auth-token-ttl": (300, "Seconds that an unused simple token lives."),
    "bcrypt-cost": (10, "Of hashing passwords, from 4 to 31: 2 to the power of it rounds."),
    "cert-file": ("", "This server's certificate, for https:// client URLs."),
    "key-file": ("", "Its key."),
    "trusted-ca-file": ("", "Whose client certificates are accepted."),
    "client-cert-auth": (False, "Clients must show a certificate; its name is a user where authentication is on."),
    "client-crl-file": ("", "Client certificates that were withdrawn."),
    "auto-tls": (False, "Make a certificate at the start."),
    "peer-cert-file": ("", "As --cert-file, between members."),
    "peer-key-file": ("", "As --key-file, between members."),
    "peer-trusted-ca-file": ("", "As --trusted-ca-file, between members."),
    "peer-client-cert-auth": (False, "Members must show a certificate."),
    "peer-crl-file": ("", "Members' certificates that were withdrawn."),
    "peer-auto-tls": (False, "Make a certificate for the other members; nobody checks it."),
    "tls-min-version": ("", "TLS1.2 or TLS1.3."),
    "tls-max-version": ("", "TLS1.2 or TLS1.3."),
    "cors": ("*", "Origins whose pages may ask, with commas."),
    "host-whitelist": ("*", "Host names that plaintext HTTP may ask for, with commas."),
    "enable-grpc-gateway": (True, "Serve the RPCs as JSON too."),
    "transport": ("native", "Who speaks gRPC: native or grpcio."),
    "log-level": ("info", "debug, info, warn, error, panic or fatal."),
    "log-format": ("console", "console or json."),
    "log-outputs": ("default", "stderr, stdout, default (stderr), or paths of files, with commas."),
}

ALIASES = {"experimental-watch-progress-notify-interval": "watch-progress-notify-interval"}

IGNORED: dict[str, str] = {
    "logger": "zap",
    "wal-dir": "",
    "max-snapshots": "5",
    "max-wals": "5",
    "snapshot-catchup-entries": "5000",
    "backend-batch-interval": "0",
    "backend-batch-limit": "0",
    "backend-bbolt-freelist-type": "map",
    "compaction-batch-limit": "1000",
    "compaction-sleep-interval": "10ms",
    "experimental-compaction-batch-limit": "1000",
    "experimental-initial-corrupt-check": "false",
    "experimental-corrupt-check-time": "0s",
    "experimental-warning-apply-duration": "100ms",
    "experimental-txn-mode-write-with-shared-buffer": "true",
    "experimental-bootstrap-defrag-threshold-megabytes": "0",
    "experimental-memory-mlock": "false",
    "enable-v2": "false",
    "enable-pprof": "false",
    "enable-log-rotation": "false",
    "log-rotation-config-json": "",
    "metrics": "basic",
    "pre-vote": "true",
    "strict-reconfig-check": "true",
    "initial-election-tick-advance": "true",
    "grpc-keepalive-min-time": "5s",
    "grpc-keepalive-interval": "2h",
    "grpc-keepalive-timeout": "20s",
    "socket-reuse-port": "false",
    "socket-reuse-address": "false",
    "self-signed-cert-validity": "1",
    "v2-deprecation": "not-yet",
    "feature-gates": "",
}
"""With etcd's defaults, for --help."""

_SWITCHES = frozenset(name for name, default in IGNORED.items() if default in ("true", "false"))

_DISCOVERY = "finding members by a discovery service is not supported; name them in --initial-cluster"
_PROXY = "there is no proxy; clients connect to the members"
REFUSED: dict[str, str] = {
    "discovery": _DISCOVERY,
    "discovery-srv": _DISCOVERY,
    "discovery-srv-name": _DISCOVERY,
    "discovery-proxy": _DISCOVERY,
    "discovery-fallback": _DISCOVERY,
    "proxy": _PROXY,
    "proxy-failure-wait": _PROXY,
    "proxy-refresh-interval": _PROXY,
    "proxy-dial-timeout": _PROXY,
    "proxy-write-timeout": _PROXY,
    "proxy-read-timeout": _PROXY,
    "force-new-cluster": "there is no data on disk that a new cluster could be made of",
    "cipher-suites": "not supported; --tls-min-version=TLS1.3 leaves only good ones",
    "client-cert-allowed-hostname": "not supported",
    "peer-cert-allowed-cn": "not supported",
    "peer-cert-allowed-hostname": "not supported",
    "experimental-enable-lease-checkpoint": "not supported: leases begin anew under a new leader",
    "experimental-enable-distributed-tracing": "not supported",
}

_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


def variable_of(name: str) -> str:
    """The environment variable that stands for a flag, as in etcd: --listen-client-urls, ETCD_LISTEN_CLIENT_URLS."""
    return "ETCD_" + name.upper().replace("-", "_")


def parse_value(where: str, name: str, text: str) -> Default:
    """A flag's value. where: what an error begins with. Raises ConfigError."""
    default = FLAGS[name][0]
    if isinstance(default, bool):
        if text not in _TRUE and text not in _FALSE:
            raise ConfigError(f'{where}: "{text}" is neither true nor false')
        return text in _TRUE
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f'{where}: "{text}" is not a number') from None
    return text


def parse_flags(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """(every flag's value by name, what was given and is ignored). Raises ConfigError."""
    found: dict[str, Any] = {name: default for name, (default, _) in FLAGS.items()}
    ignored: list[str] = []
    for name in (*FLAGS, *ALIASES):
        text = environment.get(variable_of(name))
        if text is not None:
            known = ALIASES.get(name, name)
            found[known] = parse_value(variable_of(name), known, text)
    for name, reason in REFUSED.items():
        if environment.get(variable_of(name)):
            raise ConfigError(f"{variable_of(name)}: {reason}")
    ignored += [name for name in IGNORED if environment.get(variable_of(name))]
    left = iter(arguments)
    for argument in left:
        name, equals, value = _split(argument)
        if name in REFUSED:
            raise ConfigError(f"--{name}: {REFUSED[name]}")
        is_switch = name in _SWITCHES or (name in FLAGS and isinstance(FLAGS[name][0], bool))
        if not equals:
            value = "true" if is_switch else next(left, "\0")
            if value == "\0":
                raise ConfigError(f"--{name} needs a value")
        if name in IGNORED:
            ignored.append(name)
        else:
            found[name] = parse_value(f"--{name}", name, value)
    return found, list(dict.fromkeys(ignored))


def _split(argument: str) -> tuple[str, str, str]:
    flag, equals, value = argument.partition("=")
    name = flag.removeprefix("-").removeprefix("-")
    name = ALIASES.get(name, name)
    if name == flag or not name:
        raise ConfigError(f'"{argument}" is no flag; see kvcluster serve --help')
    if name not in FLAGS and name not in IGNORED and name not in REFUSED:
        raise ConfigError(f"--{name} is not known; see kvcluster serve --help")
    return name, equals, value


def help_text() -> str:
    lines = [
        "Usage: kvcluster serve [flags]",
        "",
        "Run one member, with etcd's flag names. Its data is in memory only. What a flag does not say, its environment",
        "variable does: ETCD_NAME for --name, and so on.",
        "",
    ]
    for name, (default, text) in FLAGS.items():
        shown = str(default).lower() if isinstance(default, bool) else default
        lines += [f"  --{name}" + (f" (default {shown})" if shown not in ("", "false") else ""), f"      {text}"]
    lines += ["", "Accepted, and ignored because they mean nothing to a store in memory:"]
    lines += [f"  --{name}" for name in IGNORED]
    lines += ["", "Refused:", *(f"  --{name}: {reason}" for name, reason in REFUSED.items())]
    return "\n".join(lines)
