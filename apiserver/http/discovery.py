"""What the server says of itself: discovery, OpenAPI, version and health (kubernetes.md 1.0–1.2)."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable

from apiserver.errors import not_acceptable
from apiserver.http.media import AGGREGATED, OBJECT, negotiate
from apiserver.http.messages import JSON, Request, Response, bytes_response, json_response, text_response
from apiserver.kinds import (
    AGGREGATED_MEDIA_TYPE,
    Catalog,
    aggregated_discovery,
    api_group_list,
    api_versions,
    find_api_group,
    find_api_resource_list,
    openapi_document,
    openapi_index,
)
from apiserver.meta import encode

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+kvcluster",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "cpython",
    "platform": f"{platform.system().lower()}/{platform.machine()}",
}
OPENAPI_V3_PROTOBUF = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
YEAR_S = 31_536_000


def _aggregated(request: Request, catalog: Catalog, *, core: bool) -> Response | None:
    wanted = negotiate(request.headers.get("accept", ""), (OBJECT, AGGREGATED))
    if wanted.form != AGGREGATED or wanted.version != "v2":
        return None
    body = encode(aggregated_discovery(catalog, core=core))
    etag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = {"Content-Type": AGGREGATED_MEDIA_TYPE, "ETag": etag, "Vary": "Accept", "Cache-Control": "public"}
    if request.headers.get("if-none-match") == etag:
        return Response(304, {"ETag": etag, "Vary": "Accept"})
    return Response(200, headers, body)


def discover(request: Request, catalog: Catalog, address: str) -> Response | None:
    """/api, /apis and what is below them down to a group version; None for other paths."""
    parts = [part for part in request.path.split("/") if part]
    match parts:
        case ["api"]:
            return _aggregated(request, catalog, core=True) or json_response(
                api_versions(catalog, address), Vary="Accept"
            )
        case ["apis"]:
            return _aggregated(request, catalog, core=False) or json_response(api_group_list(catalog), Vary="Accept")
        case ["apis", group]:
            found = find_api_group(catalog, group)
        case ["api", version]:
            found = find_api_resource_list(catalog, "", version)
        case ["apis", group, version]:
            found = find_api_resource_list(catalog, group, version)
        case _:
            return None
    return None if found is None else json_response(found)


def openapi(request: Request, catalog: Catalog) -> Response | None:
    """/openapi/v3 and its documents; None for other paths."""
    if request.path.rstrip("/") == "/openapi/v3":
        return _tagged(request, encode(openapi_index(catalog)))
    prefix = "/openapi/v3/"
    if not request.path.startswith(prefix):
        return None
    parts = request.path[len(prefix) :].strip("/").split("/")
    group, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else ("", "")
    if parts[0] == "apis" and len(parts) == 3:
        group, version = parts[1], parts[2]
    try:
        document = openapi_document(catalog, group, version)
    except KeyError:
        return None
    accept = request.headers.get("accept", "")
    if OPENAPI_V3_PROTOBUF in accept and "json" not in accept and "*/*" not in accept:
        raise not_acceptable("only the following media types are accepted: application/json")
    asked = request.query.get("hash", "")
    if asked and asked != document.digest:
        return Response(301, {"Location": f"{request.path}?hash={document.digest}"})
    headers = {"Content-Type": JSON, "ETag": f'"{document.digest}"', "Vary": "Accept"}
    if asked:
        headers["Cache-Control"] = f"public, immutable, max-age={YEAR_S}"
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(304, {"ETag": headers["ETag"], "Vary": "Accept"})
    return Response(200, headers, document.body)


def _tagged(request: Request, body: bytes) -> Response:
    etag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    if request.headers.get("if-none-match") == etag:
        return Response(304, {"ETag": etag})
    return Response(200, {"Content-Type": JSON, "ETag": etag}, body)


CHECKS = ("ping", "store")


async def health(request: Request, is_store_up: Callable[[], object]) -> Response | None:
    """/healthz, /livez and /readyz, each check below them, and ?verbose."""
    parts = [part for part in request.path.split("/") if part]
    if not parts or parts[0] not in ("healthz", "livez", "readyz") or len(parts) > 2:
        return None
    if len(parts) == 2 and parts[1] not in CHECKS:
        return text_response("404 page not found\n", 404)
    wanted = CHECKS if len(parts) == 1 else (parts[1],)
    excluded = request.query.get("exclude", "").split(",")
    failed = []
    lines = []
    for check in wanted:
        if check in excluded:
            lines.append(f"[+]{check} excluded: ok")
            continue
        ok = True
        if check == "store" and parts[0] != "livez":
            ok = bool(await is_store_up())  # type: ignore[misc]
        lines.append(f"[+]{check} ok" if ok else f"[-]{check} failed: reason withheld")
        if not ok:
            failed.append(check)
    if failed:
        return text_response("\n".join([*lines, f"{parts[0]} check failed\n"]), 500)
    if "verbose" in request.query:
        return text_response("\n".join([*lines, f"{parts[0]} check passed\n"]))
    return bytes_response(b"ok", content_type="text/plain; charset=utf-8")
