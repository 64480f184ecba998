"""The keys that service-account tokens are signed and checked with, and the documents that publish them.

One private key signs; every public key checks. Without files a key is made when the first token is asked for: it lives as long as
the process. `cryptography` is loaded then, not before.
Source of the forms: RFC 7517 (JWK), OpenID Connect Discovery, Kubernetes' service account issuer discovery.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PEM_BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", re.DOTALL)
_CURVES = {
    "secp256r1": ("P-256", "ES256", 32),
    "secp384r1": ("P-384", "ES384", 48),
    "secp521r1": ("P-521", "ES512", 66),
}


class KeyFileError(ValueError):
    """A file without a usable key; the text names it."""


class PublicKey:
    """id: the JWK key id that Kubernetes gives it: the hash of its DER form."""

    __slots__ = ("key", "id", "algorithm")

    def __init__(self, key: Any) -> None:
        """Raises KeyFileError for a kind of key that signs no tokens."""
        from cryptography.hazmat.primitives import serialization

        self.key = key
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.id = _base64url(hashlib.sha256(der).digest())
        self.algorithm = _algorithm(key)

    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_numbers()
        said = {"use": "sig", "kid": self.id, "alg": self.algorithm}
        if self.algorithm == "RS256":
            return {**said, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        curve, _, size = _CURVES[self.key.curve.name]
        return {**said, "kty": "EC", "crv": curve, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}


class SigningKeys:
    """signing_file: a private key in PEM; key_files: further keys that are believed, public or private."""

    def __init__(self, signing_file: str = "", key_files: Sequence[str] = ()) -> None:
        """Raises KeyFileError."""
        self._private: Any = None
        self._public: list[PublicKey] | None = None
        if signing_file or key_files:
            self._private = _load_private(signing_file) if signing_file else None
            loaded = [key for file in key_files for key in _load_public(file)]
            own = [] if self._private is None else [PublicKey(self._private.public_key())]
            self._public = list({key.id: key for key in (*own, *loaded)}.values())

    def __repr__(self) -> str:
        return "SigningKeys(…)"

    @property
    def can_sign(self) -> bool:
        return self._public is None or self._private is not None

    def _made(self) -> list[PublicKey]:
        if self._public is None:
            from cryptography.hazmat.primitives.asymmetric import ec

            self._private = ec.generate_private_key(ec.SECP256R1())
            self._public = [PublicKey(self._private.public_key())]
        return self._public

    @property
    def public(self) -> list[PublicKey]:
        return self._made()

    @property
    def is_untouched(self) -> bool:
        """Nothing was signed yet, so there is no token that could be good."""
        return self._public is None

    def sign(self, claims: dict[str, Any]) -> str:
        import jwt

        key = self._made()[0]
        return jwt.encode(claims, self._private, algorithm=key.algorithm, headers={"kid": key.id, "typ": None})


def make_key_file(path: Path) -> None:
    """A new private key, for its owner alone."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from error


def _load_private(path: str) -> Any:
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(_read(path), None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: not a private key in PEM") from error
    _algorithm(key.public_key())
    return key


def _load_public(path: str) -> list[PublicKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    found: list[PublicKey] = []
    for block in _PEM_BLOCK.findall(_read(path)):
        try:
            if b"PRIVATE KEY" in block:
                key: Any = serialization.load_pem_private_key(block, None)
                found.append(PublicKey(key.public_key()))
            elif b"CERTIFICATE" in block:
                found.append(PublicKey(x509.load_pem_x509_certificate(block).public_key()))
            else:
                found.append(PublicKey(serialization.load_pem_public_key(block)))
        except (ValueError, TypeError) as error:
            raise KeyFileError(f"{path}: {error}") from error
    if not found:
        raise KeyFileError(f"{path}: no public or private key in PEM")
    return found


def _algorithm(key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name][1]
    raise KeyFileError("service-account tokens are signed with RSA or with elliptic curves P-256, P-384, P-521")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, size: int = 0) -> str:
    return _base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
