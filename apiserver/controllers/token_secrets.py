"""Secrets of type kubernetes.io/service-account-token: whoever makes one gets a token in it that has no end.

The secret names its account by an annotation; the token, the authority of the cluster and the namespace are written into it.
Without the account, or with another one of its name, the secret is removed. Without a key to sign with nothing is done, as with
kube-controller-manager without --service-account-private-key-file.
Source of the rules: Kubernetes pkg/controller/serviceaccount/tokens_controller.go.
"""

from __future__ import annotations

import copy
from base64 import b64encode

from apiserver.client import Object, WorkQueue, key_of, resource_name, split_key
from apiserver.controllers.context import Context
from apiserver.errors import StatusError

SECRETS = resource_name("secrets")
SERVICE_ACCOUNTS = resource_name("serviceaccounts")
TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_ACCOUNT_INDEX = "account of a token"


def _account_of(secret: Object) -> str:
    """namespace/name of the account that a token secret is for; "" for every other secret."""
    metadata = secret["metadata"]
    name = (metadata.get("annotations") or {}).get(ACCOUNT_NAME)
    return f"{metadata['namespace']}/{name}" if secret.get("type") == TYPE and name else ""


class TokenSecretController:
    """Keys are secrets."""

    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._sign = context.sign_account_token
        self._root_ca = context.root_ca
        self._secrets = context.informers.informer(SECRETS)
        self._accounts = context.informers.informer(SERVICE_ACCOUNTS)
        self._secrets.store.add_index(_ACCOUNT_INDEX, lambda secret: (_account_of(secret),))
        self._secrets.add_handler(on_add=self._secret_seen, on_update=lambda old, secret: self._secret_seen(secret))
        self._accounts.add_handler(on_add=self._account_changed, on_delete=self._account_changed)

    def _secret_seen(self, secret: Object) -> None:
        if _account_of(secret):
            self.queue.add(key_of(secret))

    def _account_changed(self, account: Object) -> None:
        for secret in self._secrets.store.by_index(_ACCOUNT_INDEX, key_of(account)):
            self.queue.add(key_of(secret))

    async def reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        secret = self._secrets.get(name, namespace)
        if secret is None or self._sign is None or secret["metadata"].get("deletionTimestamp"):
            return
        account = await self._find_account(namespace, _account_of(secret).partition("/")[2])
        said = (secret["metadata"].get("annotations") or {}).get(ACCOUNT_UID, "")
        if account is None or said not in ("", account["metadata"]["uid"]):
            await self._remove(secret)
            return
        data = secret.get("data") or {}
        wanted = {"namespace": b64encode(namespace.encode()).decode()}
        if self._root_ca:
            wanted["ca.crt"] = b64encode(self._root_ca.encode()).decode()
        wanted["token"] = data.get("token") or b64encode(self._sign(account, name).encode()).decode()
        if said and all(data.get(field) == value for field, value in wanted.items()):
            return
        changed = copy.deepcopy(secret)
        changed["metadata"].setdefault("annotations", {})[ACCOUNT_UID] = account["metadata"]["uid"]
        changed["data"] = {**data, **wanted}
        try:
            await self._client.update(SECRETS, changed)
        except StatusError as error:
            if error.reason != "NotFound":
                raise

    async def _find_account(self, namespace: str, name: str) -> Object | None:
        """A secret may be seen before the account that was made before it."""
        account = self._accounts.get(name, namespace)
        if account is not None:
            return account
        try:
            return await self._client.get(SERVICE_ACCOUNTS, name, namespace)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            return None

    async def _remove(self, secret: Object) -> None:
        metadata = secret["metadata"]
        try:
            await self._client.delete(SECRETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
