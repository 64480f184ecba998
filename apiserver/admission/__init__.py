"""Admission: mutate, then validate; one plugin a file. `PLUGINS` is the chain, in kube-apiserver's order.

Plugins that have to ask whether somebody may do something are built with an authorizer and joined by the server: certificates,
role_escalation.
"""

from collections.abc import Iterable

from apiserver.admission import (
    certificates,
    claim_resize,
    default_ingress_class,
    default_storage_class,
    default_tolerations,
    namespace_lifecycle,
    node_taints,
    pod_topology,
    priority,
    role_escalation,
    runtime_class,
    service_account,
    storage_in_use,
)
from apiserver.admission.attributes import CREATE, DELETE, UPDATE, Attributes, Chain, Plugin

PLUGINS: tuple[Plugin, ...] = (
    namespace_lifecycle.PLUGIN,
    service_account.PLUGIN,
    node_taints.PLUGIN,
    priority.PLUGIN,
    default_tolerations.PLUGIN,
    default_storage_class.PLUGIN,
    storage_in_use.PLUGIN,
    claim_resize.PLUGIN,
    runtime_class.PLUGIN,
    default_ingress_class.PLUGIN,
    pod_topology.PLUGIN,
)


def without(plugins: Iterable[Plugin], names: Iterable[str]) -> tuple[Plugin, ...]:
    """The chain without some of its plugins, by name. Raises ValueError for a name that it does not have."""
    chain, off = tuple(plugins), tuple(names)
    unknown = [name for name in off if name not in {plugin.name for plugin in chain}]
    if unknown:
        raise ValueError(f"admission plugin {', '.join(unknown)}: unknown")
    return tuple(plugin for plugin in chain if plugin.name not in off)


__all__ = [
    "CREATE",
    "DELETE",
    "PLUGINS",
    "UPDATE",
    "Attributes",
    "Chain",
    "Plugin",
    "certificates",
    "role_escalation",
    "without",
]
