"""Admission: mutate, then validate; one plugin a file. `PLUGINS` is the chain, in kube-apiserver's order."""

from apiserver.admission import (
    certificates,
    default_tolerations,
    namespace_lifecycle,
    node_taints,
    priority,
    requester,
    role_escalation,
    service_account,
    service_addresses,
)
from apiserver.admission.attributes import CREATE, DELETE, UPDATE, Attributes, Plugin

PLUGINS: tuple[Plugin, ...] = (
    namespace_lifecycle.PLUGIN,
    service_account.PLUGIN,
    node_taints.PLUGIN,
    priority.PLUGIN,
    default_tolerations.PLUGIN,
    service_addresses.PLUGIN,
    requester.PLUGIN,
)

__all__ = ["CREATE", "DELETE", "PLUGINS", "UPDATE", "Attributes", "Plugin", "certificates", "role_escalation"]
