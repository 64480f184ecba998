"""A certificate signing request says who asks for the certificate: the server writes it down, whatever the client says.

Kubernetes does this where it prepares the object, not in a plugin; here admission is the one place that knows the user.
"""

from __future__ import annotations

from apiserver.admission.attributes import CREATE, Attributes, Plugin


async def _mutate(attributes: Attributes) -> None:
    resource, obj = attributes.resource, attributes.obj
    is_request = resource.group == "certificates.k8s.io" and resource.plural == "certificatesigningrequests"
    if not is_request or attributes.operation != CREATE or obj is None:
        return
    spec, user = obj.setdefault("spec", {}), attributes.user
    said = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    for field, value in said.items():
        spec.pop(field, None)
        if value:
            spec[field] = value


PLUGIN = Plugin("Requester", mutate=_mutate)
