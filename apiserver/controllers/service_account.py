"""A ServiceAccount "default" in every namespace: the ServiceAccount admission plugin refuses pods without one.

Source of the rule: Kubernetes pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from __future__ import annotations

from apiserver.client import Object, WorkQueue, key_of, resource_name
from apiserver.controllers.context import Context
from apiserver.errors import StatusError

SERVICE_ACCOUNTS = resource_name("serviceaccounts")
NAME = "default"


class ServiceAccountController:
    """Keys are namespaces."""

    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._namespaces = context.informers.informer("namespaces")
        self._accounts = context.informers.informer(SERVICE_ACCOUNTS)
        self._namespaces.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda old, obj: self.queue.add(key_of(obj))
        )
        self._accounts.add_handler(on_delete=self._account_deleted)

    def _account_deleted(self, account: Object) -> None:
        if account["metadata"]["name"] == NAME:
            self.queue.add(account["metadata"]["namespace"])

    async def reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return
        if self._accounts.get(NAME, key) is not None:
            return
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": key}}
        try:
            await self._client.create(SERVICE_ACCOUNTS, account)
        except StatusError as error:
            # There already, or the namespace is on its way out: both mean that there is nothing to do.
            if error.reason not in ("AlreadyExists", "Forbidden", "NotFound"):
                raise
