"""Tokens: what Authenticate gives out, and whom a request's token stands for (etcd: --auth-token).

    simple   16 letters, a dot, a number. The letters are replicated, so every member knows them; each forgets those that it
             has not seen for --auth-token-ttl. The number says how far a member's log must be applied to know them.
    jwt      signed claims: username, revision, exp. Nothing is replicated; every member has the public key.

`find` answers an Identity, None for a token that stands for nobody.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from kvcluster.auth import AuthStore, Identity
from kvcluster.errors import ConfigError
from kvcluster.member import Member

DEFAULT_TTL_S = 300
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PREFIX_LENGTH = 16

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384",
              "HS512", "EdDSA")  # fmt: skip
MAX_CACHED = 10_000


class Tokens(Protocol):
    is_replicated: bool

    def find(self, token: str) -> Identity | None: ...

    def must_wait_for(self, token: str) -> bool:
        """Whether this member may only not know it yet."""
        ...

    def tick(self) -> None: ...


class SimpleTokens:
    """ttl_s: a token that no request has used for so long is forgotten, by each member for itself."""

    is_replicated = True

    def __init__(self, member: Member, ttl_s: int = DEFAULT_TTL_S) -> None:
        self._member = member
        self._auth: AuthStore = member.auth
        self._ttl_ticks = max(ttl_s * 1000 // member.config.tick_ms, 1)
        self._used: dict[str, int] = {}

    def new_prefix(self) -> str:
        import secrets

        return "".join(secrets.choice(LETTERS) for _ in range(PREFIX_LENGTH))

    def complete(self, prefix: str) -> str:
        """The whole token, once its letters are applied here."""
        return f"{prefix}.{self._member.applied_index}"

    def find(self, token: str) -> Identity | None:
        prefix = token.partition(".")[0]
        user = self._auth.tokens.get(prefix)
        if user is None:
            return None
        self._used[prefix] = self._member.now_tick
        return Identity(user, self._auth.revision)

    def must_wait_for(self, token: str) -> bool:
        prefix, _, number = token.partition(".")
        return prefix not in self._auth.tokens and number.isdecimal() and int(number) > self._member.applied_index

    def tick(self) -> None:
        """Forgets what has not been used; looks once a TTL's tenth."""
        now = self._member.now_tick
        if not self._auth.tokens or now % max(self._ttl_ticks // 10, 1):
            return
        self._used = {prefix: self._used.get(prefix, now) for prefix in self._auth.tokens}
        for prefix, used in list(self._used.items()):
            if now - used >= self._ttl_ticks:
                del self._used[prefix]
                del self._auth.tokens[prefix]


class JwtTokens:
    """See the module. Made by `build_tokens`. A token that was verified once is believed until it expires."""

    is_replicated = False

    def __init__(self, auth: AuthStore, algorithm: str, private_key: bytes, public_key: bytes, ttl_s: float) -> None:
        """private_key empty: this member gives out no tokens, it only knows them."""
        self._auth = auth
        self._algorithm = algorithm
        self._private_key = private_key
        self._public_key = public_key
        self._ttl_s = ttl_s
        self._known: dict[str, tuple[Identity, float]] = {}

    def sign(self, user: str, revision: int) -> str | None:
        """None where this member has no private key (etcd: verify only)."""
        import jwt

        if not self._private_key:
            return None
        claims = {"username": user, "revision": revision, "exp": int(time.time() + self._ttl_s)}
        return jwt.encode(claims, self._private_key, algorithm=self._algorithm)

    def find(self, token: str) -> Identity | None:
        known = self._known.get(token)
        if known is None:
            known = self._verify(token)
            if known is None:
                return None
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            self._known[token] = known
        identity, expires_s = known
        if time.time() >= expires_s:
            self._known.pop(token, None)
            return None
        return identity

    def _verify(self, token: str) -> tuple[Identity, float] | None:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._public_key, algorithms=[self._algorithm], options={"require": ["exp"]}
            )
            return Identity(str(claims["username"]), int(claims["revision"])), float(claims["exp"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return None

    def must_wait_for(self, token: str) -> bool:
        return False

    def tick(self) -> None: ...


def parse_jwt_options(text: str) -> dict[str, str]:
    """ "jwt,sign-method=RS256,pub-key=…,priv-key=…,ttl=10m" → its options. Raises ConfigError."""
    kind, *pairs = text.split(",")
    options: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in ("pub-key", "priv-key", "sign-method", "ttl") or name in options:
            raise ConfigError(
                f'--auth-token: "{pair}" is none of pub-key=FILE, priv-key=FILE, sign-method=…, ttl=…, once each'
            )
        options[name] = value
    if options.get("sign-method") not in ALGORITHMS:
        raise ConfigError(f"--auth-token: sign-method must be one of {', '.join(ALGORITHMS)}")
    if "pub-key" not in options and "priv-key" not in options:
        raise ConfigError("--auth-token: jwt needs pub-key or priv-key")
    return options


def build_tokens(member: Member, auth_token: str, ttl_s: int) -> SimpleTokens | JwtTokens:
    """From --auth-token ("simple" or "jwt,…") and --auth-token-ttl. Raises ConfigError, which never shows a key."""
    if auth_token in ("", "simple"):
        return SimpleTokens(member, ttl_s)
    if auth_token.partition(",")[0] != "jwt":
        raise ConfigError(f'--auth-token: "{auth_token.partition(",")[0]}" is neither simple nor jwt')
    from kvcluster.config import parse_duration

    options = parse_jwt_options(auth_token)
    algorithm = options["sign-method"]
    private_key, public_key = _read_key(options.get("priv-key")), _read_key(options.get("pub-key"))
    if not public_key:
        public_key = private_key if algorithm.startswith("HS") else _public_of(private_key)
    if algorithm.startswith("HS"):
        private_key = private_key or public_key
    lifetime_s = parse_duration("auth-token", options["ttl"]) if "ttl" in options else float(DEFAULT_TTL_S)
    tokens = JwtTokens(member.auth, algorithm, private_key, public_key, lifetime_s)
    _try(tokens)
    return tokens


def _read_key(path: str | None) -> bytes:
    if path is None:
        return b""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"--auth-token: cannot read {path}: {error.strerror}") from error


def _public_of(private_key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--auth-token: priv-key is no private key in PEM form: {error}") from error
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _try(tokens: JwtTokens) -> None:
    """Keys that do not fit each other or the algorithm are found at the start, not by the first user."""
    try:
        signed = tokens.sign("", 1)
        fits = signed is None or tokens.find(signed) is not None
    except Exception as error:  # whatever the key's library says of it
        raise ConfigError(f"--auth-token: these keys do not work: {type(error).__name__}: {error}") from error
    if not fits:
        raise ConfigError("--auth-token: pub-key is not that of priv-key")
