"""TLS as etcd's flags describe it: certificates of files, client certificates, certificates made at the start, and reloading.

    --cert-file --key-file            who this server is; read again when the files change
    --trusted-ca-file                 whose certificates others must show
    --client-cert-auth                they must show one; its Common Name is a user where authentication is on
    --auto-tls                        a certificate of its own making, known to nobody

`ssl` and `cryptography` are loaded where TLS is wanted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kvcluster.config import TlsFiles
from kvcluster.errors import ConfigError

ALPN = ["h2", "http/1.1"]
SELF_SIGNED_DAYS = 365


class ServerTls:
    """The context that new connections get. `check_files` now and then: a certificate that was replaced is taken."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises ConfigError for files that cannot be used."""
        self._files = files if files.cert_file else _with_own_certificate(files)
        self.context = build_server_context(self._files)
        self._stamp = self._look()

    def _look(self) -> tuple[float, ...]:
        files = self._files
        return tuple(os.stat(path).st_mtime_ns for path in (files.cert_file, files.key_file))

    def check_files(self) -> str | None:
        """Takes files that have changed. -> why they cannot be used, where that is so: the old ones are kept."""
        try:
            stamp = self._look()
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            build_server_context(self._files)  # on a context that nobody uses, to see whether they fit
            self.context.load_cert_chain(self._files.cert_file, self._files.key_file)
        except ConfigError as error:
            return str(error)
        return None


def build_server_context(files: TlsFiles) -> Any:
    """Raises ConfigError."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(ALPN)
    _set_versions(context, files)
    _load_chain(context, files.cert_file, files.key_file, files.prefix)
    if files.trusted_ca_file:
        _load_ca(context, files.trusted_ca_file, files.prefix)
        context.verify_mode = ssl.CERT_REQUIRED if files.client_cert_auth else ssl.CERT_OPTIONAL
    if files.crl_file:
        _load_ca(context, files.crl_file, files.prefix)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def build_peer_client_context(files: TlsFiles) -> Any:
    """How a member dials the others. Certificates that members made themselves (--peer-auto-tls) cannot be checked."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _set_versions(context, files)
    if files.trusted_ca_file:
        _load_ca(context, files.trusted_ca_file, files.prefix)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.cert_file:
        _load_chain(context, files.cert_file, files.key_file, files.prefix)
    return context


def build_client_context(
    *, ca_file: str = "", cert_file: str = "", key_file: str = "", insecure_skip_verify: bool = False
) -> Any:
    """How a client dials a server; without ca_file the system's authorities count. Raises ConfigError."""
    import ssl

    if bool(cert_file) != bool(key_file):
        raise ConfigError("cert_file and key_file go together")
    context = ssl.create_default_context() if not ca_file else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    if ca_file:
        _load_ca(context, ca_file, "")
    if cert_file:
        _load_chain(context, cert_file, key_file, "")
    if insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def common_name_of(certificate: dict[str, Any] | None) -> str:
    """Of a peer's certificate as ssl gives it; "" for none."""
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""


def _set_versions(context: Any, files: TlsFiles) -> None:
    import ssl

    versions = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}
    context.minimum_version = versions.get(files.min_version, ssl.TLSVersion.TLSv1_2)
    if files.max_version:
        context.maximum_version = versions[files.max_version]


def _load_chain(context: Any, cert_file: str, key_file: str, prefix: str) -> None:
    import ssl

    for name, path in (("cert-file", cert_file), ("key-file", key_file)):
        _check_readable(f"--{prefix}{name}", path)
    try:
        context.load_cert_chain(cert_file, key_file)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"--{prefix}cert-file: {cert_file} and {key_file} do not fit: {error}") from error


def _load_ca(context: Any, path: str, prefix: str) -> None:
    import ssl

    _check_readable(f"--{prefix}trusted-ca-file", path)
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"--{prefix}trusted-ca-file: {path} has no certificates: {error}") from error


def _check_readable(flag: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{flag}: cannot read {path}: {error.strerror}") from error


def _with_own_certificate(files: TlsFiles) -> TlsFiles:
    """Makes a certificate for this machine, in a folder that is removed with the process."""
    import atexit
    import datetime
    import ipaddress
    import shutil
    import tempfile

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = Path(tempfile.mkdtemp(prefix="kvcluster-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "kvcluster")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ("127.0.0.1", "::1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    key_path = folder / "key.pem"
    key_path.touch(mode=0o600)
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files._replace(cert_file=str(folder / "cert.pem"), key_file=str(key_path))
