"""Config maps, secrets and service accounts: data that pods are given.

Both kinds of data can be made immutable for good. A secret's `stringData` is write-only: it lands, encoded, in `data`.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from apiserver.kinds.strategy import set_missing

Object = dict[str, Any]


def default_secret(secret: Object) -> None:
    set_missing(secret, "type", "Opaque")
    texts = secret.pop("stringData", None)
    if texts:
        data = secret.setdefault("data", {})
        for key, text in texts.items():
            data[key] = b64encode(text.encode()).decode()


def prepare_service_account(account: Object) -> None:
    """A secret is named, and lives in the account's own namespace: nothing else of a reference is kept."""
    secrets = account.get("secrets")
    if secrets:
        account["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in secrets]


def prepare_service_account_update(account: Object, old: Object) -> None:
    prepare_service_account(account)
