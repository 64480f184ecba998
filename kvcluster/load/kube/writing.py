"""The writer of objects: what watching/writer.py numbers, as creates, updates and deletes (objects.py).

The writes of one object keep their order: each waits for the one before it. What an earlier run has left is deleted first, and
what this run wrote at its end; the namespace stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from kvcluster.load.kube.api import Api, Refused
from kvcluster.load.kube.objects import SELECTOR, build_object, build_patch, collection_path, object_name, verb_of
from kvcluster.load.links import LoadError
from kvcluster.load.watching import Done, Writer, wait_readers
from kvcluster.load.workloads import Context

MERGE_PATCH = "application/merge-patch+json"
GONE_POLL_S = 0.05


class ObjectWriter:
    def __init__(self, context: Context, readers: int) -> None:
        plan = context.plan
        self._context = context
        self._readers = readers
        self._writer = Writer(context, self._write)
        self._path = collection_path(plan.resource, plan.namespace)
        self._locks = [asyncio.Lock() for _ in range(plan.objects)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._api: Api | None = None

    async def prepare(self) -> None:
        """Raises LoadError."""
        plan = self._context.plan
        self._api = Api(plan)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plan.namespace}}
        try:
            await self._api.request("POST", "/api/v1/namespaces", namespace)
        except Refused as refused:
            if refused.status != 409:  # perhaps it may not be created, but is there
                await self._api.request("GET", f"/api/v1/namespaces/{plan.namespace}")
        if plan.resource == "pods":
            await self._give_account(self._api)
        await self._clear(self._api)

    async def _give_account(self, api: Api) -> None:
        """Pods run as the namespace's account `default`, which a controller makes when it comes to it, if there is one."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        try:
            await api.request("POST", f"/api/v1/namespaces/{self._context.plan.namespace}/serviceaccounts", account)
        except Refused as refused:
            if refused.status != 409:
                raise

    async def _clear(self, api: Api) -> None:
        """Returns when nothing is left: a deletion may take its time (finalizers, running pods)."""
        await api.request("DELETE", f"{self._path}?{SELECTOR}&gracePeriodSeconds=0")
        end_s = self._context.now() + self._context.plan.timeout_s
        while (await api.request("GET", f"{self._path}?{SELECTOR}")).get("items"):  # noqa: ASYNC110 - the server's, not ours
            if self._context.now() > end_s:
                raise LoadError(f"{self._path}: what an earlier run has left does not go away")
            await asyncio.sleep(GONE_POLL_S)

    async def run(self) -> None:
        await self._writer.run(self._readers)
        await wait_readers(self._context, self._readers)  # before anything is cleared away

    def _write(self, number: int, stamp_ns: int, done: Done) -> None:
        task = asyncio.ensure_future(self._send(number, stamp_ns, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, number: int, stamp_ns: int, done: Done) -> None:
        api, plan = self._api, self._context.plan
        assert api is not None
        place = number % plan.objects
        name = object_name(place)
        try:
            async with self._locks[place]:
                verb = verb_of(number, plan.objects)
                if verb == "create":
                    body = build_object(plan.resource, name, stamp_ns, number, plan.val_size)
                    await api.request("POST", self._path, body, server=number)
                elif verb == "update":
                    body, path = build_patch(stamp_ns, number), f"{self._path}/{name}"
                    await api.request("PATCH", path, body, content_type=MERGE_PATCH, server=number)
                else:
                    await api.request("DELETE", f"{self._path}/{name}?gracePeriodSeconds=0", server=number)
        except Refused as refused:
            done(f"{verb}: {refused}")
        except LoadError as error:
            self._context.interrupt(str(error))
            done(str(error))
        else:
            done(None)

    def share(self) -> dict[str, Any]:
        return self._writer.share()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._api is not None:
            with contextlib.suppress(LoadError):
                await self._clear(self._api)
            await self._api.close()
