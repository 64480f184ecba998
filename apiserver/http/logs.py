"""GET pods/NAME/log: checked here, read from the kubelet of the pod's node, and passed on as it comes.

    options (422) ─► container: the only one, or the one named (400) ─► node: none yet = an empty log ─► its kubelet ─► text/plain

The kubelet is where the Node's annotation nodes.kvcluster/kubelet-url says, on this machine: whoever may write nodes must not
send the API server anywhere else. What it refuses is answered with its own text, as kube-apiserver does. One connection a log.
exec, attach, port-forward and proxy are refused here too: nothing runs on a simulated node that one could talk to.
Source of the texts: Kubernetes pkg/registry/core/pod (strategy.go, LogLocation) and pkg/apis/core/validation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from yarl import URL

from apiserver.errors import Cause, StatusError, bad_request, internal_error, invalid
from apiserver.http.messages import Object, Outlet, Request, Response
from apiserver.http.routes import Target
from apiserver.meta import forbidden, parse_time
from apiserver.meta import invalid as invalid_value
from apiserver.registry import Registry
from apiserver.storage import Lines

KUBELET_URL = "nodes.kvcluster/kubelet-url"
CONNECT_S = 5.0
MAX_HEAD_BYTES = 16 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
QUIET_S = 0.05
"""A log that says nothing for so long is at its present end."""
_FLAGS = ("follow", "previous", "timestamps")
_PASSED_ON = ("follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream")
_TEXT = {"Content-Type": "text/plain"}


async def get_log(registry: Registry, request: Request, target: Target) -> Response:
    query = dict(request.query)
    _check_options(query)
    stored = await registry.get(target.resource, target.namespace, target.name)
    container = choose_container(stored.obj, query.get("container", ""))
    node = stored.obj["spec"].get("nodeName")
    if not node:
        return Response(200, dict(_TEXT))
    url = await _kubelet_url(registry, node)
    path = f"/containerLogs/{quote(target.namespace)}/{quote(target.name)}/{quote(container)}"
    for name in _FLAGS:
        query[name] = "true" if query.get(name, "").lower() in ("true", "1", "t") else ""
    asked = urlencode([(name, query[name]) for name in _PASSED_ON if query.get(name)])
    stream = await _open(url, f"{path}?{asked}" if asked else path, target.name)
    if query["follow"]:
        return Response(200, dict(_TEXT), stream=stream)
    try:
        return Response(200, dict(_TEXT), b"".join([piece async for piece in stream]))
    finally:
        stream.close()


async def refuse_session(registry: Registry, request: Request, target: Target) -> Response:
    """exec, attach, portforward, proxy."""
    name = target.subresource.name if target.subresource is not None else ""
    raise bad_request(f"{target.resource.plural}/{name} is not supported: the nodes of this cluster run no containers")


# ---- what may be asked


def _check_options(query: dict[str, str]) -> None:
    """Raises BadRequest for what is no number, Invalid for what is out of range."""
    numbers: dict[str, int] = {}
    for field in ("sinceSeconds", "tailLines", "limitBytes"):
        if query.get(field):
            try:
                numbers[field] = int(query[field])
                if abs(numbers[field]) >= 1 << 63:
                    raise OverflowError
            except OverflowError:
                raise bad_request(f'strconv.ParseInt: parsing "{query[field]}": value out of range') from None
            except ValueError:
                raise bad_request(f'strconv.ParseInt: parsing "{query[field]}": invalid syntax') from None
    causes: list[Cause] = []
    if numbers.get("tailLines", 0) < 0:
        causes.append(invalid_value("tailLines", numbers["tailLines"], "must be greater than or equal to 0"))
    if numbers.get("limitBytes", 1) < 1:
        causes.append(invalid_value("limitBytes", numbers["limitBytes"], "must be greater than 0"))
    if query.get("sinceSeconds") and query.get("sinceTime"):
        causes.append(forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif numbers.get("sinceSeconds", 1) < 1:
        causes.append(invalid_value("sinceSeconds", numbers["sinceSeconds"], "must be greater than 0"))
    if query.get("sinceTime"):
        try:
            parse_time(query["sinceTime"])
        except (ValueError, StatusError):
            why = f'parsing time "{query["sinceTime"]}" as "2006-01-02T15:04:05Z07:00": cannot parse it'
            raise bad_request(why) from None
    if causes:
        raise invalid("", "PodLogOptions", "", causes)


def choose_container(pod: Object, asked: str) -> str:
    """Raises BadRequest where it is not clear, or not there."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [c["name"] for c in spec.get("containers") or ()]
    others = {
        "init containers": [c["name"] for c in spec.get("initContainers") or ()],
        "ephemeral containers": [c["name"] for c in spec.get("ephemeralContainers") or ()],
    }
    if asked:
        if asked in containers or any(asked in names for names in others.values()):
            return asked
        raise bad_request(f"container {asked} is not valid for pod {name}")
    if len(containers) == 1:
        return str(containers[0])
    text = f"a container name must be specified for pod {name}"
    if containers:
        text += f", choose one of: [{' '.join(containers)}]"
        for what, names in others.items():
            if names:
                text += f" or one of the {what}: [{' '.join(names)}]"
    raise bad_request(text)


# ---- the kubelet


async def _kubelet_url(registry: Registry, node: str) -> str:
    nodes = registry.catalog.find("", "v1", "nodes")
    assert nodes is not None
    stored = await registry.get(nodes, "", node)
    url = (stored.obj["metadata"].get("annotations") or {}).get(KUBELET_URL, "")
    if not _is_local(url):
        raise internal_error(f"the node {node} does not say where its kubelet is (annotation {KUBELET_URL})")
    return url


def _is_local(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback and parts.port is not None
    except ValueError:
        return False


class KubeletStream:
    """A body that ends when the connection does; a Stream of messages.py.

    `initial` is what is there at once, as fast as the client takes it. What comes later is pushed to the outlet it is attached
    to, so that a client which hangs up, or is too slow, ends it without waiting for the next line.
    """

    def __init__(self, session: aiohttp.ClientSession, response: aiohttp.ClientResponse) -> None:
        self._session, self._response = session, response
        self._closing: asyncio.Future[None] | None = None
        self._next: asyncio.Future[bytes] | None = None
        self._pump: asyncio.Task[None] | None = None

    async def _read(self, timeout_s: float | None = None) -> bytes | None:
        """b"" at the end, None where nothing came in time."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._response.content.readany())
        await asyncio.wait({self._next}, timeout=timeout_s)
        if not self._next.done():
            return None
        done, self._next = self._next, None
        try:
            return done.result()
        except (aiohttp.ClientError, OSError):
            return b""  # the kubelet went away in the middle of the log

    async def initial(self) -> AsyncIterator[bytes]:
        while piece := await self._read(QUIET_S):
            yield piece

    def attach(self, outlet: Outlet) -> None:
        self._pump = asyncio.ensure_future(self._push(outlet))

    async def _push(self, outlet: Outlet) -> None:
        while piece := await self._read():
            if not outlet.deliver(Lines(0, piece, 1)):
                outlet.abort()
                return
        outlet.finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._read():
            yield piece

    def close(self) -> None:
        self._response.close()
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._session.close())
        for task in (self._next, self._pump):
            if task is not None and task is not _current_task():
                task.cancel()


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # called when the loop is going down


async def _open(url: str, path: str, pod: str) -> KubeletStream:
    """Raises what the kubelet refuses, and InternalError where it cannot be reached."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    session = aiohttp.ClientSession(timeout=timeout, read_bufsize=PIECE_BYTES, max_field_size=MAX_HEAD_BYTES)
    try:
        response = await session.get(URL(url + path, encoded=True), allow_redirects=False)
        if response.status == 200:
            return KubeletStream(session, response)
        text = (await response.content.read(MAX_REFUSAL_BYTES)).decode("utf-8", "replace").strip()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        await session.close()
        raise internal_error(f'Get "{url}{path}": {error or "dial tcp: i/o timeout"}') from error
    except BaseException:
        await session.close()
        raise
    await session.close()
    raise _refusal(response.status, text, pod)


def _refusal(code: int, text: str, pod: str) -> StatusError:
    reason = {400: "BadRequest", 404: "NotFound"}.get(code, "InternalError")
    if code not in (400, 404):
        code = 500
    causes = [{"reason": "UnexpectedServerResponse", "message": text}] if code == 500 else []
    details = {"name": pod, "kind": "pods/log", **({"causes": causes} if causes else {})}
    return StatusError(code, reason, text, details if code != 400 else {})
