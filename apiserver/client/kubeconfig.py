"""Reads a kubeconfig file: the one that was named, and no other.

There is no search: no KUBECONFIG, no ~/.kube/config, no in-cluster token. A client of a test cluster that falls through
to the user's own file would talk to a production cluster; so a path is required, and a missing or broken file is a
`KubeconfigError` whose text names the file, the entry and what would be right.

Understood: contexts, http and https servers, CA by file or data, insecure-skip-tls-verify,
bearer tokens by value or file, client certificates by file or data. Refused by name: exec plugins, auth providers and
user/password, because carrying on without them would be carrying on as somebody else.
Source of the format: client-go tools/clientcmd/api/v1.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class KubeconfigError(Exception):
    """The file cannot be used; the text says where and why."""


class Kubeconfig(NamedTuple):
    """One context of a file, resolved. ssl_context is None for http. namespace is the context's, "default" if none.

    authority: who vouches for the server, PEM; "" where the file does not say.
    """

    server: str
    token: str
    ssl_context: ssl.SSLContext | None
    namespace: str
    authority: str = ""

    def __repr__(self) -> str:
        return f"Kubeconfig({self.server})"


def load_kubeconfig(path: str | os.PathLike[str], *, context: str = "") -> Kubeconfig:
    """The context named, or the file's current-context. Raises KubeconfigError."""
    if not os.fspath(path):
        raise KubeconfigError("a kubeconfig path is required; there is no default")
    file = Path(path)
    document = _read(file)
    name = context or document.get("current-context") or ""
    if not name:
        raise KubeconfigError(f"{file}: no current-context; name one of {_names(document, 'contexts')}")
    chosen = _entry(file, document, "contexts", "context", name)
    cluster_name, user_name = chosen.get("cluster") or "", chosen.get("user") or ""
    cluster = _entry(file, document, "clusters", "cluster", cluster_name)
    user = _entry(file, document, "users", "user", user_name) if user_name else {}
    where = f"{file}: user {user_name!r}"
    for refused in ("exec", "auth-provider", "username"):
        if user.get(refused):
            raise KubeconfigError(f"{where}: {refused} is not supported; use a token or a client certificate")
    server = str(cluster.get("server") or "")
    if not server.startswith(("http://", "https://")):
        raise KubeconfigError(f"{file}: cluster {cluster_name!r}: server {server!r} is not an http:// or https:// URL")
    return Kubeconfig(
        server=server.rstrip("/"),
        token=_token(file, where, user),
        ssl_context=_tls(file, cluster_name, cluster, where, user) if server.startswith("https://") else None,
        namespace=str(chosen.get("namespace") or "default"),
        authority=_authority(file, cluster_name, cluster) if server.startswith("https://") else "",
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(f"{file}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{file}: not YAML: {error}") from error
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise KubeconfigError(f"{file}: not a kubeconfig (a mapping of kind Config)")
    return document


def _names(document: dict[str, Any], section: str) -> str:
    entries = document.get(section)
    names = (
        [str(entry.get("name")) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    return ", ".join(names) or "none"


def _entry(file: Path, document: dict[str, Any], section: str, field: str, name: str) -> dict[str, Any]:
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            value = entry.get(field)
            if isinstance(value, dict):
                return value
            raise KubeconfigError(f"{file}: {section}: {name!r} has no {field}")
    raise KubeconfigError(f"{file}: no {field} named {name!r}; there are: {_names(document, section)}")


def _token(file: Path, where: str, user: dict[str, Any]) -> str:
    if user.get("token"):
        return str(user["token"])
    if not user.get("tokenFile"):
        return ""
    try:
        return (file.parent / user["tokenFile"]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KubeconfigError(f"{where}: tokenFile {user['tokenFile']}: {error.strerror or error}") from error


def _bytes(file: Path, where: str, entry: dict[str, Any], field: str) -> bytes | None:
    """`<field>-data` (base64) or the file that `<field>` names, relative to the kubeconfig; data wins, as in client-go."""
    data = entry.get(f"{field}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise KubeconfigError(f"{where}: {field}-data is not base64") from error
    if not entry.get(field):
        return None
    try:
        return (file.parent / entry[field]).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{where}: {field} {entry[field]}: {error.strerror or error}") from error


def _authority(file: Path, cluster_name: str, cluster: dict[str, Any]) -> str:
    where = f"{file}: cluster {cluster_name!r}"
    return (_bytes(file, where, cluster, "certificate-authority") or b"").decode("ascii", "replace")


def _tls(
    file: Path, cluster_name: str, cluster: dict[str, Any], where_user: str, user: dict[str, Any]
) -> ssl.SSLContext:
    where = f"{file}: cluster {cluster_name!r}"
    authority = _bytes(file, where, cluster, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise KubeconfigError(f"{where}: certificate-authority is not a PEM certificate: {error}") from error
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _bytes(file, where_user, user, "client-certificate")
    key = _bytes(file, where_user, user, "client-key")
    if (certificate is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise KubeconfigError(f"{where_user}: {missing} is missing; a certificate and its key come together")
    if certificate is not None and key is not None:
        _load_pair(context, where_user, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, where: str, certificate: bytes, key: bytes) -> None:
    # The ssl module takes a certificate from files only: one that its owner alone can read, gone when this returns.
    handle, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(certificate + b"\n" + key)
        context.load_cert_chain(name)
    except (ssl.SSLError, OSError) as error:
        raise KubeconfigError(f"{where}: client-certificate and client-key do not load: {error}") from error
    finally:
        os.unlink(name)
