"""Certificate requests: kubelets' own are approved, approved ones are signed, old ones are removed.

    pending ──approved by somebody, or by us for a kubelet──▶ approved ──signed──▶ issued ──▶ removed after an hour
        └──▶ denied, failed ──▶ removed after an hour            └──▶ failed: the request is none that the signer signs

Signers and what they sign (kubernetes.io/…):

    kube-apiserver-client           client certificates of anybody but system:masters
    kube-apiserver-client-kubelet   of system:nodes, named system:node:NAME, without other names
    kubelet-serving                 serving certificates of nodes: DNS names and addresses, no others
    legacy-unknown                  anything

Without an authority nothing is signed, as with kube-controller-manager without --cluster-signing-cert-file.
Source of the rules: Kubernetes pkg/controller/certificates, and the documentation of signers.
"""

from __future__ import annotations

import copy
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any

from apiserver.client import Object, WorkQueue, key_of, resource_name
from apiserver.controllers.context import Context
from apiserver.errors import StatusError
from apiserver.meta import parse_time

REQUESTS = resource_name("certificates.k8s.io/v1/certificatesigningrequests")
REVIEWS = resource_name("authorization.k8s.io/v1/subjectaccessreviews")

CLIENT, KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING, LEGACY = "kubernetes.io/kubelet-serving", "kubernetes.io/legacy-unknown"

MAX_S = 365 * 86_400
MIN_S = 600
KEPT_S, PENDING_S = 3600.0, 86_400.0
"""How long a decided and an undecided request stays."""

NODE_PREFIX, NODE_GROUP = "system:node:", "system:nodes"
_KEY_USAGES = {"digital signature", "key encipherment"}


class _Requests:
    """What the three have in common: keys are certificate requests."""

    workers = 2

    def __init__(self, context: Context) -> None:
        self.queue: WorkQueue[str] = WorkQueue(context.clock)
        self.client = context.client
        self.clock = context.clock
        self.requests = context.informers.informer(REQUESTS)
        self.requests.add_handler(on_add=self._seen, on_update=lambda old, request: self._seen(request))

    def _seen(self, request: Object) -> None:
        self.queue.add(key_of(request))

    async def write(self, request: Object, subresource: str) -> None:
        metadata = request["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": request["status"]}
        try:
            await self.client.patch(REQUESTS, metadata["name"], patch, subresource=subresource)
        except StatusError as error:
            if error.reason != "NotFound":
                raise


class CertificateApprover(_Requests):
    """Approves what a kubelet asks for itself, where it may (nodeclient, selfnodeclient)."""

    async def reconcile(self, key: str) -> None:
        request = self.requests.get(key)
        if request is None or _condition_types(request) or (request.get("status") or {}).get("certificate"):
            return
        if request["spec"].get("signerName") != KUBELET_CLIENT:
            return
        parsed = _parse(request)
        if parsed is None or _why_not(request["spec"], parsed):
            return
        requester = request["spec"].get("username", "")
        subresources = ["selfnodeclient"] if requester == parsed.common_name else []
        for subresource in [*subresources, "nodeclient"]:
            if await self._may(request["spec"], subresource):
                said = "self kubelet client" if subresource == "selfnodeclient" else "kubelet client"
                message = f"Auto approving {said} certificate after SubjectAccessReview."
                approved = _with_condition(request, "Approved", "AutoApproved", message)
                await self.write(approved, "approval")
                return

    async def _may(self, spec: Object, subresource: str) -> bool:
        asked = {"group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create",
                 "version": "*", "subresource": subresource}  # fmt: skip
        who = {"user": spec.get("username", ""), "uid": spec.get("uid", ""), "groups": spec.get("groups") or [],
               "extra": spec.get("extra") or {}}  # fmt: skip
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}}
        answer = await self.client.create(REVIEWS, {**review, "spec": {**who, "resourceAttributes": asked}})
        return bool(answer["status"].get("allowed"))


class CertificateSigner(_Requests):
    """Signs what is approved and of one of its signers."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._signing = context.signing

    async def reconcile(self, key: str) -> None:
        request = self.requests.get(key)
        if request is None or self._signing is None or (request.get("status") or {}).get("certificate"):
            return
        types = _condition_types(request)
        signer = request["spec"].get("signerName")
        if "Approved" not in types or "Failed" in types or signer not in (
            CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY
        ):  # fmt: skip
            return
        from apiserver.pki import Pair, PkiError, sign_request

        parsed = _parse(request)
        why = "unable to parse the certificate request" if parsed is None else _why_not(request["spec"], parsed)
        if why or parsed is None:
            await self.write(_with_condition(request, "Failed", "SignerValidationFailure", why), "status")
            return
        seconds = min(max(request["spec"].get("expirationSeconds") or MAX_S, MIN_S), MAX_S)
        try:
            pem = sign_request(Pair(*self._signing()), parsed, request["spec"].get("usages") or [], float(seconds))
        except PkiError as error:
            await self.write(_with_condition(request, "Failed", "SignerValidationFailure", str(error)), "status")
            return
        signed = copy.deepcopy(request)
        signed.setdefault("status", {})["certificate"] = b64encode(pem).decode()
        await self.write(signed, "status")


class CertificateCleaner(_Requests):
    """Removes requests that are decided or that nobody decides."""

    async def reconcile(self, key: str) -> None:
        request = self.requests.get(key)
        if request is None:
            return
        left_s = self._ends_s(request) - self.clock.now_s()
        if left_s > 0:
            self.queue.add_after(key, left_s)
            return
        try:
            await self.client.delete(REQUESTS, key, uid=request["metadata"]["uid"])
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    def _ends_s(self, request: Object) -> float:
        decided = [
            parse_time(condition["lastUpdateTime"])
            for condition in (request.get("status") or {}).get("conditions") or ()
            if condition.get("lastUpdateTime")
        ]
        if decided:
            return max(decided) + KEPT_S
        return parse_time(request["metadata"]["creationTimestamp"]) + PENDING_S


def _condition_types(request: Object) -> set[str]:
    return {condition.get("type", "") for condition in (request.get("status") or {}).get("conditions") or ()}


def _with_condition(request: Object, kind: str, reason: str, message: str) -> Object:
    changed = copy.deepcopy(request)
    conditions = changed.setdefault("status", {}).setdefault("conditions", [])
    conditions.append({"type": kind, "status": "True", "reason": reason, "message": message})
    return changed


def _parse(request: Object) -> Any:
    """The parsed request, or None."""
    from apiserver.pki import PkiError, parse_request

    try:
        return parse_request(b64decode(request["spec"].get("request") or ""))
    except (PkiError, Base64Error):
        return None


def _why_not(spec: Object, parsed: Any) -> str:
    """Why a signer does not sign the request; "" where it does."""
    signer, usages = spec.get("signerName"), set(spec.get("usages") or ())
    if signer == LEGACY:
        return ""
    wanted = "server auth" if signer == KUBELET_SERVING else "client auth"
    if wanted not in usages or not usages <= {*_KEY_USAGES, wanted}:
        return f"usages must be {wanted}, and beside it digital signature and key encipherment alone"
    if signer == CLIENT:
        return "organization system:masters is not signed" if "system:masters" in parsed.organizations else ""
    if parsed.organizations != (NODE_GROUP,):
        return f"subject organization is not {NODE_GROUP}"
    if not parsed.common_name.startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    if parsed.others:
        return "email and URI subject alternative names are not allowed"
    if signer == KUBELET_CLIENT and parsed.names:
        return "DNS and IP subject alternative names are not allowed"
    if signer == KUBELET_SERVING and not parsed.names:
        return "DNS or IP subject alternative name is required"
    return ""

