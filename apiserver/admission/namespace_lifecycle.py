"""NamespaceLifecycle: nothing is made in a namespace that does not exist or is ending; some namespaces cannot be deleted."""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, DELETE, Attributes, Plugin, is_core
from apiserver.errors import Cause, forbidden, not_found

IMMORTAL = ("default", "kube-system", "kube-public")


async def _validate(attributes: Attributes) -> None:
    if attributes.operation == DELETE and is_core(attributes, "namespaces") and attributes.name in IMMORTAL:
        raise forbidden("", "namespaces", attributes.name, "this namespace may not be deleted")
    if attributes.operation != CREATE or not attributes.resource.namespaced:
        return
    namespace = await attributes.find("namespaces", "", attributes.namespace)
    if namespace is None:
        raise not_found("", "namespaces", attributes.namespace)
    if namespace["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {attributes.namespace} because it is being terminated"
        cause = Cause(
            "NamespaceTerminating", f"namespace {attributes.namespace} is being terminated", "metadata.namespace"
        )
        raise forbidden(attributes.resource.group, attributes.resource.plural, attributes.name, why, [cause])


PLUGIN = Plugin("NamespaceLifecycle", mutate=None, validate=_validate)
