"""A request's way: a flat tuple of steps. Each answers, or passes on with None; the last one always answers.

    size → authenticate → authorize → in flight → resources → root → health → version → … → not found

Who acts as somebody else (Impersonate-*) is that user from `authorize` on.

`handle` raises nothing: every exception becomes a Status in status.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

from apiserver.auth import ANONYMOUS_USER, Gate, impersonate, is_superuser, open_gate, refusal
from apiserver.errors import too_large
from apiserver.http import discovery
from apiserver.http.account_tokens import CONFIGURATION_PATH, KEYS_PATH, answer_openid
from apiserver.http.in_flight import InFlight, too_many_requests
from apiserver.http.messages import Request, Response, json_response, text_response
from apiserver.http.metrics import CONTENT_TYPE, RequestMetrics, ServerCollector, render_metrics
from apiserver.http.openapi import openapi
from apiserver.http.origin import check_origin
from apiserver.http.pretty import prettified, wants_pretty
from apiserver.http.request_info import access_of
from apiserver.http.resources import find_handler
from apiserver.http.routes import Target, find_target
from apiserver.http.status import response_of
from apiserver.registry import Registry

MAX_BODY_BYTES = 3 * 1024 * 1024

Step = Callable[[Request], Awaitable[Response | None]]


class Pipeline:
    """`address`: host:port, as discovery says it; is_store_up: asked by /readyz; gate: who may ask for what."""

    def __init__(
        self,
        registry: Registry,
        address: str,
        is_store_up: Callable[[], Awaitable[bool]],
        gate: Gate | None = None,
        *,
        scheme: str = "http",
        in_flight: InFlight | None = None,
    ) -> None:
        self.in_flight = in_flight or InFlight()
        self._metrics = RequestMetrics()
        self._collector = ServerCollector(self._metrics, self.in_flight, registry)
        self._scheme = scheme
        self._gate = gate or open_gate()
        self._registry = registry
        self._address = address
        self._is_store_up = is_store_up
        self._steps: tuple[Step, ...] = (
            self._root,
            self._health,
            self._version,
            self._discovery,
            self._openapi,
            self._openid,
            self._metrics_page,
        )

    async def handle(self, request: Request) -> Response:
        response = await self._handle(request)
        return prettified(response) if wants_pretty(request) else response

    async def _handle(self, request: Request) -> Response:
        try:
            if len(request.body) > MAX_BODY_BYTES:
                raise too_large(f"Request entity too large: limit is {MAX_BODY_BYTES}")
            await self._authenticate(request)
            self._authorize(request)
            kind = self.in_flight.try_enter(request)
            if kind is None:
                return too_many_requests()
            try:
                return await self._answer(request)
            finally:
                self.in_flight.leave(kind)
        except Exception as error:
            return response_of(error, request.headers.get("accept", ""))

    async def _answer(self, request: Request) -> Response:
        target = find_target(self._registry.catalog, request.path)
        if target is not None:
            return await self._serve(request, target)
        for step in self._steps:
            response = await step(request)
            if response is not None:
                return response
        return text_response("404 page not found\n", 404)

    async def _serve(self, request: Request, target: Target) -> Response:
        verb, handler = find_handler(request.method, target)
        began_s = perf_counter()
        try:
            response = await handler(self._registry, request, target)
        except Exception as error:
            response = response_of(error, request.headers.get("accept", ""))
        self._metrics.record(verb, target, response, perf_counter() - began_s)
        return response

    async def _authenticate(self, request: Request) -> None:
        request.gate = self._gate
        if self._gate.is_open:
            check_origin(request.headers)
        if request.user is ANONYMOUS_USER:  # else a caller in the same process has said who it is
            request.user = await self._gate.authenticator.authenticate(request.headers, request.certificate)

    def _authorize(self, request: Request) -> None:
        authorizer = self._gate.authorizer
        request.user = impersonate(request.user, request.headers, authorizer.decide)
        if self._gate.asks and not is_superuser(request.user):
            access = access_of(request)
            if not authorizer.allows(access):
                raise refusal(access, authorizer.decide(access).reason)

    async def _root(self, request: Request) -> Response | None:
        if request.path != "/":
            return None
        paths = ["/api", "/api/v1", "/apis"]
        for group, versions in self._registry.catalog.groups():
            if group:
                paths += [f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions)]
        paths += ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
        if self._gate.accounts is not None:
            paths += [CONFIGURATION_PATH, KEYS_PATH]
        return json_response({"paths": sorted(paths)})

    async def _health(self, request: Request) -> Response | None:
        return await discovery.health(request, self._is_store_up)

    async def _version(self, request: Request) -> Response | None:
        return json_response(discovery.VERSION) if request.path.rstrip("/") == "/version" else None

    async def _discovery(self, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD"):
            return None
        return discovery.discover(request, self._registry.catalog, self._address)

    async def _openapi(self, request: Request) -> Response | None:
        return openapi(request, self._registry.catalog, self._registry.clock.now_s)

    async def _openid(self, request: Request) -> Response | None:
        return answer_openid(request, self._gate.accounts, f"{self._scheme}://{self._address}")

    async def _metrics_page(self, request: Request) -> Response | None:
        if request.path != "/metrics":
            return None
        return Response(200, {"Content-Type": CONTENT_TYPE}, render_metrics(self._collector))
