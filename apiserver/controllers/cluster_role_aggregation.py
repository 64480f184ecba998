"""ClusterRoles that gather the rules of others: `admin`, `edit` and `view`, and those of users.

Every ClusterRole with an aggregationRule gets the rules of all that one of its selectors chooses, in the order of their names,
each once. They are written by server-side apply, so labels and annotations stay whose they are.
Source of the rules: Kubernetes pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from typing import Any

from apiserver.client import Object, WorkQueue, key_of, resource_name
from apiserver.controllers.context import Context
from apiserver.errors import StatusError
from apiserver.meta import label_selector_of

CLUSTER_ROLES = resource_name("rbac.authorization.k8s.io/v1/clusterroles")
MANAGER = "clusterrole-aggregation-controller"


class ClusterRoleAggregationController:
    """Keys are ClusterRoles with an aggregationRule; any ClusterRole that changes may be one of theirs."""

    workers = 1

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self._client = context.client
        self._roles = context.informers.informer(CLUSTER_ROLES)
        self._roles.add_handler(
            on_add=self._changed, on_update=lambda old, role: self._changed(role), on_delete=self._changed
        )

    def _changed(self, role: Object) -> None:
        if role.get("aggregationRule"):
            self.queue.add(key_of(role))
        for other in self._roles.list():
            if other.get("aggregationRule"):
                self.queue.add(key_of(other))

    async def reconcile(self, key: str) -> None:
        role = self._roles.get(key)
        if role is None or not role.get("aggregationRule") or role["metadata"].get("deletionTimestamp"):
            return
        rules = gather_rules(role, self._roles.list())
        if rules == (role.get("rules") or []):
            return
        wanted = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": key},
            "rules": rules,
        }
        try:
            await self._client.apply(CLUSTER_ROLES, wanted, field_manager=MANAGER, force=True)
        except StatusError as error:
            if error.reason != "NotFound":
                raise


def gather_rules(role: Object, roles: list[Object]) -> list[Any]:
    """What the role's rules should be. An empty selector chooses every role."""
    selectors = [
        label_selector_of(selector) for selector in role["aggregationRule"].get("clusterRoleSelectors") or ()
    ]
    name = role["metadata"]["name"]
    rules: list[Any] = []
    by_name = sorted(roles, key=lambda other: str(other["metadata"]["name"]))
    for selector in selectors:
        for other in by_name:
            if other["metadata"]["name"] == name or not selector.matches(other["metadata"].get("labels") or {}):
                continue
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules
