"""Every built-in resource, one module a group. To serve another kind of Kubernetes, declare it in its group's module.

A group's module has declarations, and the hooks of small kinds; what takes more room stands in a module beside this folder.
"""

from __future__ import annotations

from apiserver.kinds.groups import (
    admissionregistration,
    apiextensions,
    apiregistration,
    apps,
    authentication,
    authorization,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    flowcontrol,
    networking,
    node,
    policy,
    rbac,
    resource,
    scheduling,
    storage,
)

RESOURCES = (
    *core.RESOURCES,
    *admissionregistration.RESOURCES,
    *apiextensions.RESOURCES,
    *apiregistration.RESOURCES,
    *apps.RESOURCES,
    *authentication.RESOURCES,
    *authorization.RESOURCES,
    *autoscaling.RESOURCES,
    *batch.RESOURCES,
    *certificates.RESOURCES,
    *coordination.RESOURCES,
    *discovery.RESOURCES,
    *events.RESOURCES,
    *flowcontrol.RESOURCES,
    *networking.RESOURCES,
    *node.RESOURCES,
    *policy.RESOURCES,
    *rbac.RESOURCES,
    *resource.RESOURCES,
    *scheduling.RESOURCES,
    *storage.RESOURCES,
)
