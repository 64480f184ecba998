"""How the API server speaks TLS: with certificates of files, or with those that it makes at the start.

    --tls-cert-file, --tls-private-key-file     who it is; read again when the files change
    --client-ca-file                            whose client certificates count
    --requestheader-client-ca-file              whose certificates proxies in front of it show
    --cert-dir                                  where what is made is kept; "" = nowhere, it lives as long as the process

What is made: one authority for everything (ca.crt, ca.key), a serving certificate (apiserver.crt, apiserver.key) with the names
of the API server inside and outside of the cluster, and a client certificate of an administrator, in memory only.

A client certificate is asked for, not demanded: a token does as well. One that the authority did not sign ends the handshake.
HTTP/1.1 is the only protocol offered. `ssl` loads a private key from a file only, so one in memory is written for a moment.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from pathlib import Path

from apiserver.config import AccessConfig
from apiserver.pki import (
    Pair,
    covers,
    find_pair,
    issue_client,
    issue_serving,
    load_pair,
    make_authority,
    write_pair,
)
from apiserver.server.identity import ADMIN_GROUPS, ADMIN_NAME, Identity

CLUSTER_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    "::1",
)


class ServerTls:
    """`context` for the socket. `check_files` now and then takes certificates that were replaced."""

    def __init__(self, config: AccessConfig, host: str, service_address: str = "10.96.0.1") -> None:
        """service_address: of the service kubernetes.default.

        Raises OSError, PkiError or ssl.SSLError for files that cannot be used.
        """
        self._files: tuple[str, str] | None = None
        folder = Path(config.cert_dir) if config.cert_dir else None
        authority = None
        if config.tls_cert_file:
            self._files = config.tls_cert_file, config.tls_private_key_file or config.tls_cert_file
            ca = Path(config.tls_cert_file).read_bytes()
            serving = None
        else:
            authority = _authority(folder)
            ca = authority.certificate
            serving = _serving(authority, folder, host, service_address)
        client_ca = Path(config.client_ca_file).read_bytes() if config.client_ca_file else ca if authority else b""
        self.identity = Identity(ca, client_ca)
        if authority is not None:
            admin = Pair(b"", b"") if config.client_ca_file else issue_client(authority, ADMIN_NAME, ADMIN_GROUPS)
            self.identity = Identity(ca, client_ca, *authority, *admin)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        if serving is not None:
            _load(self.context, serving)
        elif self._files is not None:
            self.context.load_cert_chain(*self._files)
        proxy_ca = b""
        if config.requestheader_client_ca_file:
            proxy_ca = Path(config.requestheader_client_ca_file).read_bytes()
        for file, believed in ((config.client_ca_file, client_ca), (config.requestheader_client_ca_file, proxy_ca)):
            if believed:
                self.context.verify_mode = ssl.CERT_OPTIONAL
                try:
                    self.context.load_verify_locations(cadata=believed.decode("ascii", "replace"))
                except ssl.SSLError as error:
                    raise OSError(f"{file}: not certificates in PEM: {error}") from error
        self._stamp = self._look()

    def _look(self) -> tuple[int, ...]:
        return tuple(os.stat(file).st_mtime_ns for file in self._files or ())

    def check_files(self) -> str:
        """Takes files that have changed. -> why they cannot be used, "" where they can: the old ones are kept."""
        try:
            stamp = self._look()
            if stamp == self._stamp or self._files is None:
                return ""
            self._stamp = stamp
            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trial.load_cert_chain(*self._files)  # on a context that nobody uses, to see whether they fit
            self.context.load_cert_chain(*self._files)
        except OSError as error:  # ssl.SSLError is one
            return f"{self._files[0] if self._files else ''}: {error.strerror or error}"
        return ""


def _authority(folder: Path | None) -> Pair:
    found = find_pair(folder, "ca") if folder else None
    if found is not None:
        load_pair(found)
        return found
    made = make_authority()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_pair(folder, "ca", made)
    return made


def _serving(authority: Pair, folder: Path | None, host: str, service_address: str) -> Pair:
    names = [*CLUSTER_NAMES, service_address, socket.gethostname()]
    names += _own_addresses() if host in ("0.0.0.0", "::", "") else [host]
    found = find_pair(folder, "apiserver") if folder else None
    if found is not None and covers(found, names):
        return found
    made = issue_serving(authority, names)
    if folder is not None:
        write_pair(folder, "apiserver", made)
    return made


def _own_addresses() -> list[str]:
    """Those that this machine's name stands for; without any it is reached by its name."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    handle, name = tempfile.mkstemp(suffix=".pem")  # readable by its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pair.certificate + b"\n" + pair.key)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)
