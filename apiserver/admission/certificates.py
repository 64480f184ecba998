"""Certificate requests: who asks is written into them, and who decides needs the signer's leave.

    create                     spec.username, uid, groups, extra are those of the one who asks, whatever the body says
    update of approval         takes the verb `approve` on signers NAME, or on all of its domain (DOMAIN/*)
    update of status           takes `sign`, where a certificate or a condition changes
    kube-apiserver-client      never makes a member of system:masters

The times of conditions are filled in where the client left them out. Texts: Kubernetes 1.36, plugin/pkg/admission/certificates.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any

from apiserver.admission.attributes import CREATE, UPDATE, Attributes, Plugin
from apiserver.auth import MASTERS, Access
from apiserver.errors import forbidden
from apiserver.meta import format_time

GROUP = "certificates.k8s.io"
PLURAL = "certificatesigningrequests"
API_SERVER_CLIENT = "kubernetes.io/kube-apiserver-client"


def build_plugin(allows: Callable[[Access], bool], now_s: Callable[[], float]) -> Plugin:
    async def mutate(attributes: Attributes) -> None:
        if not _is_request(attributes) or attributes.obj is None:
            return
        if attributes.operation == CREATE:
            _write_requester(attributes)
        elif attributes.operation == UPDATE and attributes.subresource in ("approval", "status"):
            _fill_times(attributes.obj, attributes.old or {}, format_time(now_s()))

    async def validate(attributes: Attributes) -> None:
        if not _is_request(attributes) or attributes.obj is None:
            return
        if attributes.operation == CREATE:
            _check_subject(attributes)
        elif attributes.subresource == "approval":
            check(attributes, "approve")
        elif attributes.subresource == "status" and _is_signed(attributes.obj, attributes.old or {}):
            check(attributes, "sign")

    def check(attributes: Attributes, verb: str) -> None:
        signer = ((attributes.old or attributes.obj or {}).get("spec") or {}).get("signerName", "")
        every = signer.partition("/")[0] + "/*"
        for name in (signer, every):
            if allows(Access(attributes.user, verb, GROUP, "signers", name=name, version="*")):
                return
        text = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise forbidden(GROUP, PLURAL, attributes.name, text)

    return Plugin("Certificates", mutate, validate, (f"{PLURAL}.{GROUP}",))


def _is_request(attributes: Attributes) -> bool:
    return attributes.resource.group == GROUP and attributes.resource.plural == PLURAL


def _write_requester(attributes: Attributes) -> None:
    assert attributes.obj is not None
    spec, user = attributes.obj.setdefault("spec", {}), attributes.user
    said: dict[str, Any] = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    for field, value in said.items():
        spec.pop(field, None)
        if value:
            spec[field] = value


def _check_subject(attributes: Attributes) -> None:
    spec = (attributes.obj or {}).get("spec") or {}
    if spec.get("signerName") != API_SERVER_CLIENT:
        return
    from apiserver.pki import PkiError, parse_request

    try:
        request = parse_request(b64decode(spec.get("request") or ""))
    except (PkiError, Base64Error) as error:
        text = f"unable to parse csr: {error}"
        raise forbidden(GROUP, PLURAL, attributes.name, text) from None
    if MASTERS in request.organizations:
        text = f"use of {API_SERVER_CLIENT} signer with {MASTERS} group is not allowed"
        raise forbidden(GROUP, PLURAL, attributes.name, text)


def _conditions(request: dict[str, Any]) -> list[dict[str, Any]]:
    return (request.get("status") or {}).get("conditions") or []


def _fill_times(request: dict[str, Any], old: dict[str, Any], now: str) -> None:
    before = {(each.get("type"), each.get("status")): each for each in _conditions(old)}
    for condition in _conditions(request):
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            known = before.get((condition.get("type"), condition.get("status")), {})
            condition["lastTransitionTime"] = known.get("lastTransitionTime") or now


def _is_signed(request: dict[str, Any], old: dict[str, Any]) -> bool:
    certificate = (request.get("status") or {}).get("certificate")
    return certificate != (old.get("status") or {}).get("certificate") or _conditions(request) != _conditions(old)
