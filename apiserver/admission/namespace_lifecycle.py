"""NamespaceLifecycle: nothing is made in a namespace that does not exist or is ending; some namespaces cannot be deleted."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, DELETE, Attributes, Plugin, is_about, refuse
from apiserver.errors import Cause, not_found

IMMORTAL = ("default", "kube-system", "kube-public")


async def _mutate(attributes: Attributes) -> None:
    """Changes nothing, but comes first: that the namespace is missing is what people have to know."""
    if attributes.operation != CREATE or not attributes.resource.namespaced:
        return
    namespace = await attributes.find("namespaces", "", attributes.namespace)
    if namespace is None:
        raise not_found("", "namespaces", attributes.namespace)
    if (namespace.get("status") or {}).get("phase") == "Terminating" or namespace["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {attributes.namespace} because it is being terminated"
        text = f"namespace {attributes.namespace} is being terminated"
        raise refuse(attributes, why, [Cause("NamespaceTerminating", text, "metadata.namespace")])


async def _validate(attributes: Attributes) -> None:
    if attributes.operation == DELETE and is_about(attributes, "namespaces") and attributes.name in IMMORTAL:
        raise refuse(attributes, "this namespace may not be deleted")


PLUGIN = Plugin("NamespaceLifecycle", _mutate, _validate)
