"""Passwords as bcrypt hashes, in the form in which etcd keeps them: base64 of bcrypt's text."""

from __future__ import annotations

import base64
import binascii

DEFAULT_COST = 10
"""etcd's --bcrypt-cost: 2**10 rounds, some 50 ms of a processor."""

MAX_PASSWORD_BYTES = 72
"""bcrypt looks at no more of a password."""


def hash_password(password: str, cost: int) -> str:
    import bcrypt

    text = bcrypt.hashpw(password.encode()[:MAX_PASSWORD_BYTES], bcrypt.gensalt(cost))
    return base64.b64encode(text).decode()


def check_password(password: str, hashed: bytes) -> bool:
    """hashed: what hash_password gave. False for anything else, too."""
    import bcrypt

    try:
        text = base64.b64decode(hashed, validate=True)
        return bool(bcrypt.checkpw(password.encode()[:MAX_PASSWORD_BYTES], text))
    except (binascii.Error, ValueError):
        return False
