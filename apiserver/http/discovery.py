"""What the server says of itself: discovery, version and health (kubernetes.md 1.0–1.2)."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable

from apiserver.http.media import AGGREGATED, OBJECT, Wanted, negotiate
from apiserver.http.messages import JSON, Object, Request, Response, bytes_response, text_response
from apiserver.http.shaping import encode_as
from apiserver.kinds import (
    AGGREGATED_MEDIA_TYPE,
    Catalog,
    aggregated_discovery,
    api_group_list,
    api_versions,
    find_api_group,
    find_api_resource_list,
)

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


def _cached(catalog: Catalog, key: str, media: str, make: Callable[[], Object]) -> tuple[bytes, str]:
    """(body, ETag) of a document in a media type, for as long as the catalog is the same."""
    found = catalog.documents.get(f"{key} {media}")
    if found is None:
        body = encode_as(media, make())
        found = catalog.documents[f"{key} {media}"] = (body, f'"{hashlib.sha512(body).hexdigest().upper()}"')
    assert isinstance(found, tuple)
    return found


def _aggregated(request: Request, catalog: Catalog, wanted: Wanted, *, core: bool) -> Response:
    body, etag = _cached(catalog, f"aggregated/{core}", wanted.media, lambda: aggregated_discovery(catalog, core=core))
    if request.headers.get("if-none-match") == etag:
        return Response(304, {"ETag": etag, "Vary": "Accept"})
    content_type = AGGREGATED_MEDIA_TYPE.replace(JSON, wanted.media)
    if "profile=nopeer" in request.headers.get("accept", ""):
        content_type += ";profile=nopeer"  # what this server has itself; there are no peers that it would ask
    headers = {"Content-Type": content_type, "ETag": etag, "Vary": "Accept", "Cache-Control": "public"}
    return Response(200, headers, body)


def discover(request: Request, catalog: Catalog, address: str) -> Response | None:
    """/api, /apis and what is below them down to a group version; None for other paths. Raises NotAcceptable."""
    parts = [part for part in request.path.split("/") if part]
    if not parts or parts[0] not in ("api", "apis") or len(parts) > (2 if parts[0] == "api" else 3):
        return None
    is_root = len(parts) == 1
    wanted = negotiate(request.headers.get("accept", ""), (OBJECT, AGGREGATED) if is_root else (OBJECT,))
    if wanted.form == AGGREGATED:
        return _aggregated(request, catalog, wanted, core=parts[0] == "api")
    found: Object | None
    match parts:
        case ["api"]:
            found = api_versions(catalog, address)
        case ["apis"]:
            found = api_group_list(catalog)
        case ["apis", group]:
            found = find_api_group(catalog, group)
        case ["api", version]:
            found = find_api_resource_list(catalog, "", version)
        case ["apis", group, version]:
            found = find_api_resource_list(catalog, group, version)
        case _:
            return None
    if found is None:
        return None
    body, _ = _cached(catalog, request.path.rstrip("/"), wanted.media, lambda: found)
    response = bytes_response(body, content_type=wanted.media)
    if is_root:
        response.headers["Vary"] = "Accept"
    return response


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
