"""The old question how the control plane is: scheduler, controller manager and store, all of them this program's.

Deprecated since 1.19 and answered for `kubectl get cs`; nothing is stored. Who wants the truth asks /readyz.
"""

from __future__ import annotations

from apiserver.errors import not_found
from apiserver.http.answers import LIST_FORMS, READ_FORMS, wanted_of, warned
from apiserver.http.messages import Object, Request, Response, bytes_response
from apiserver.http.routes import Target
from apiserver.http.shaping import shape_list, shape_one
from apiserver.registry import Registry
from apiserver.storage import Stored, encode_value

_COMPONENTS = ("scheduler", "controller-manager", "etcd-0")


def _status(name: str) -> Stored:
    obj: Object = {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    }
    return Stored(name.encode(), encode_value(obj), 0)


async def read_component_statuses(registry: Registry, request: Request, target: Target) -> Response:
    include = request.query.get("includeObject", "")
    if target.name:
        if target.name not in _COMPONENTS:
            raise not_found("", target.resource.plural, target.name)
        wanted = wanted_of(request, target.resource, READ_FORMS)
        body = shape_one(target.resource, _status(target.name), wanted, include, registry.clock)
    else:
        wanted = wanted_of(request, target.resource, LIST_FORMS)
        statuses = [_status(name) for name in _COMPONENTS]
        body = shape_list(target.resource, statuses, {}, wanted, include, registry.clock)
    return warned(bytes_response(body, 200, wanted.media), target.resource, [])
