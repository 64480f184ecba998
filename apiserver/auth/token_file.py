"""Static tokens: a file of `token,user,uid,"group1,group2"` lines, as kube-apiserver's --token-auth-file takes it.

A token is looked up whole, in a dictionary; it is never logged, nor shown in an error.
"""

from __future__ import annotations

import csv
from pathlib import Path

from apiserver.auth.user import User


class TokenFileError(ValueError):
    """The file cannot be used; the text says where and why, without a token."""


def load_token_file(path: str) -> dict[str, User]:
    """token → user. Raises TokenFileError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFileError(f"token file {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    return parse_tokens(text, path)


def parse_tokens(text: str, path: str = "") -> dict[str, User]:
    found: dict[str, User] = {}
    for number, record in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), 1):
        if not record:
            continue
        if len(record) < 3:
            raise TokenFileError(
                f"token file '{path}' must have at least 3 columns (token, user name, user uid), found {len(record)} "
                f"in line {number}"
            )
        token, name, uid = record[:3]
        if not token:
            continue
        groups = tuple(group for group in record[3].split(",") if group) if len(record) > 3 else ()
        found[token] = User(name, uid, groups)
    return found
