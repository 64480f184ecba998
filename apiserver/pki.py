"""Certificates: an authority of our own, and what it signs. The API server serves and knows its clients by it.

    authority ─▶ serving certificate        names and addresses under which the API server is reached
              ─▶ client certificates        CN = user, O = groups
              ─▶ certificate requests       what a signer of certificates.k8s.io hands out

Keys are P-256: made and used in less than a millisecond, so a server can make them at each start. `cryptography` is loaded
here, and only by those who need it. Files with keys are for their owner alone.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
BACKDATE = datetime.timedelta(minutes=5)
"""Clocks differ: a certificate is good a little before it was made."""

_PEM = serialization.Encoding.PEM
_USAGES = {
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
}


class PkiError(ValueError):
    """A certificate, key or request that cannot be used; the text says which, and shows no key."""


class Pair(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(certificate, …)"


def make_authority(name: str = "kubernetes") -> Pair:
    """A new authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), AUTHORITY_DAYS * 86_400.0)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    usage = _key_usage({"digital_signature", "key_cert_sign", "crl_sign", "key_encipherment"})
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Pair(builder.sign(key, hashes.SHA256()).public_bytes(_PEM), _private_pem(key))


def issue_serving(authority: Pair, names: Sequence[str]) -> Pair:
    """names: host names and addresses; the first one is the Common Name."""
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])
    return _issue(authority, [(NameOID.COMMON_NAME, "kube-apiserver")], "server auth", alternatives)


def issue_client(authority: Pair, user: str, groups: Sequence[str] = ()) -> Pair:
    subject = [*((NameOID.ORGANIZATION_NAME, group) for group in groups), (NameOID.COMMON_NAME, user)]
    return _issue(authority, subject, "client auth", None)


def _issue(authority: Pair, subject: list[Any], usage: str, alternatives: x509.SubjectAlternativeName | None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    usages = ["digital signature", "key encipherment", usage]
    certificate = _sign(authority, name, key.public_key(), usages, alternatives, LEAF_DAYS * 86_400.0)
    return Pair(certificate, _private_pem(key))


def _sign(
    authority: Pair,
    subject: x509.Name,
    public_key: Any,
    usages: Sequence[str],
    alternatives: x509.SubjectAlternativeName | None,
    seconds: float,
) -> bytes:
    signer, key = load_pair(authority)
    builder = _builder(subject, signer.subject, public_key, seconds)
    flags = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    if flags:
        builder = builder.add_extension(_key_usage(flags), critical=True)
    extended = [_USAGES[usage] for usage in usages if usage in _USAGES]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(_PEM)


def _builder(subject: x509.Name, issuer: x509.Name, public_key: Any, seconds: float) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(seconds=seconds))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(flags: set[str]) -> x509.KeyUsage:
    names = (*dict.fromkeys(_KEY_USAGES.values()), "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in flags for name in names})


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem


def load_pair(pair: Pair) -> tuple[x509.Certificate, Any]:
    """Raises PkiError."""
    try:
        return x509.load_pem_x509_certificate(pair.certificate), serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError) as error:
        raise PkiError(f"not a certificate and a private key in PEM: {error}") from error


def covers(pair: Pair, names: Sequence[str]) -> bool:
    """Whether a serving certificate is good for all of these names, and for another month."""
    certificate, _ = load_pair(pair)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    month = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    return certificate.not_valid_after_utc > month and all(_general_name(name) in extension.value for name in names)


# ---- certificate requests ----


class Request(NamedTuple):
    """What a PKCS#10 request asks for. names: DNS names and addresses; others: emails and URIs."""

    common_name: str
    organizations: tuple[str, ...]
    names: tuple[str, ...]
    others: tuple[str, ...]
    parsed: x509.CertificateSigningRequest


def parse_request(pem: bytes) -> Request:
    """Raises PkiError for what is no request, or one whose signature does not fit its key."""
    try:
        parsed = x509.load_pem_x509_csr(pem)
        is_signed = parsed.is_signature_valid
    except (ValueError, TypeError) as error:
        raise PkiError(f"not a certificate request in PEM: {error}") from error
    if not is_signed:
        raise PkiError("the signature of the certificate request is not valid")

    def values(oid: Any) -> tuple[str, ...]:
        return tuple(str(attribute.value) for attribute in parsed.subject.get_attributes_for_oid(oid))

    names: list[str] = []
    others: list[str] = []
    alternatives = _alternatives(parsed)
    for name in alternatives or ():
        where = names if isinstance(name, x509.DNSName | x509.IPAddress) else others
        where.append(str(name.value))
    common = values(NameOID.COMMON_NAME)
    organizations = values(NameOID.ORGANIZATION_NAME)
    return Request(common[-1] if common else "", organizations, tuple(names), tuple(others), parsed)


def _alternatives(parsed: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def sign_request(authority: Pair, request: Request, usages: Sequence[str], seconds: float) -> bytes:
    """The certificate, PEM: the subject and names of the request, for these usages and so long."""
    parsed = request.parsed
    return _sign(authority, parsed.subject, parsed.public_key(), usages, _alternatives(parsed), seconds)


# ---- files ----


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    beside.replace(path)


def write_pair(folder: Path, name: str, pair: Pair) -> None:
    """NAME.crt and NAME.key."""
    write_private(folder / f"{name}.key", pair.key)
    (folder / f"{name}.crt").write_bytes(pair.certificate)


def find_pair(folder: Path, name: str) -> Pair | None:
    """None where one of the files is missing. Raises OSError."""
    files = folder / f"{name}.crt", folder / f"{name}.key"
    return Pair(*(file.read_bytes() for file in files)) if all(file.exists() for file in files) else None
