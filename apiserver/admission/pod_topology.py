"""PodTopologyLabels: a pod that is put on a node is told the node's zone and region, as labels."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, UPDATE, Attributes, Plugin, is_about

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


async def _mutate(attributes: Attributes) -> None:
    pod = attributes.obj
    if pod is None or attributes.resource.group or attributes.resource.plural != "pods":
        return
    is_bound_now = attributes.operation == UPDATE and attributes.subresource == "binding"
    if not is_bound_now and not (attributes.operation == CREATE and is_about(attributes, "pods")):
        return
    node_name = pod["spec"].get("nodeName")
    node = await attributes.find("nodes", "", node_name) if node_name else None
    known = ((node or {}).get("metadata") or {}).get("labels") or {}
    said = {label: known[label] for label in LABELS if label in known}
    if said:
        pod["metadata"]["labels"] = {**(pod["metadata"].get("labels") or {}), **said}


PLUGIN = Plugin("PodTopologyLabels", mutate=_mutate, resources=("pods",))
