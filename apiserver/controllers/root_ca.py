"""A ConfigMap kube-root-ca.crt in every namespace: what pods verify the API server with.

Its content is put back where somebody changed it. Without TLS the certificate is empty, but the ConfigMap is there,
as pods mount it.
Source of the rule: Kubernetes pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

import copy

from apiserver.client import Object, WorkQueue, key_of, resource_name
from apiserver.controllers.context import Context
from apiserver.errors import StatusError

CONFIG_MAPS = resource_name("configmaps")
NAME = "kube-root-ca.crt"


class RootCaController:
    """Keys are namespaces."""

    workers = 5

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._data = {"ca.crt": context.root_ca}
        self._namespaces = context.informers.informer("namespaces")
        self._config_maps = context.informers.informer(CONFIG_MAPS)
        self._namespaces.add_handler(
            on_add=lambda obj: self.queue.add(key_of(obj)), on_update=lambda old, obj: self.queue.add(key_of(obj))
        )
        self._config_maps.add_handler(
            on_update=lambda old, obj: self._config_map_changed(obj), on_delete=self._config_map_changed
        )

    def _config_map_changed(self, config_map: Object) -> None:
        if config_map["metadata"]["name"] == NAME:
            self.queue.add(config_map["metadata"]["namespace"])

    async def reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return
        current = self._config_maps.get(NAME, key)
        try:
            if current is None:
                await self._client.create(CONFIG_MAPS, self._build(key))
            elif current.get("data") != self._data:
                await self._client.update(CONFIG_MAPS, {**copy.deepcopy(current), "data": dict(self._data)})
        except StatusError as error:
            # There already, or the namespace is on its way out.
            if error.reason not in ("AlreadyExists", "Forbidden", "NotFound"):
                raise

    def _build(self, namespace: str) -> Object:
        about = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."  # noqa: E501
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": namespace, "annotations": {"kubernetes.io/description": about}},
            "data": dict(self._data),
        }
