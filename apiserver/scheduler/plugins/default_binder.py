"""DefaultBinder: tells the API server where the pod runs (POST pods/binding)."""

from __future__ import annotations

from apiserver.client import Client
from apiserver.errors import StatusError
from apiserver.scheduler.framework import SUCCESS, CycleState, Status, error
from apiserver.scheduler.pod_info import PodInfo


class DefaultBinder:
    name = "DefaultBinder"
    events = ()

    def __init__(self, client: Client | None) -> None:
        self._client = client

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status:
        if self._client is None:
            return error("no API server to tell")
        namespace, name = pod.key
        try:
            await self._client.bind(name, namespace, node_name, uid=pod.uid)
        except StatusError as refusal:
            return error(refusal.message)
        return SUCCESS
