"""OpenAPI over HTTP: /openapi/v3, its documents, and /openapi/v2; in JSON, or in protobuf for clients that ask for that alone.

A v3 document that is asked for by its hash never changes, and may be kept for ever; one that is asked for by an old hash is sent
on to the new one. The forms are those of Kubernetes' kube-openapi (handler, handler3).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha512
from typing import Any

import orjson

from apiserver.errors import not_acceptable
from apiserver.http.messages import JSON, Object, Request, Response
from apiserver.kinds import Catalog, OpenApiDocument, openapi_document, openapi_index, openapi_v2_document
from apiserver.meta import encode
from apiserver.protobuf import V2_MEDIA_TYPE, V3_MEDIA_TYPE, encode_openapi_v2, encode_openapi_v3

YEAR = timedelta(days=365)


def openapi(request: Request, catalog: Catalog, now_s: Callable[[], float]) -> Response | None:
    """None for a path that is not here. Raises NotAcceptable."""
    path = request.path.rstrip("/")
    if path == "/openapi/v2":
        return _v2(request, openapi_v2_document(catalog))
    if path == "/openapi/v3":
        body, etag = _index(catalog)
        return _tagged(request, etag) or Response(
            200, {"Content-Type": "text/plain; charset=utf-8", "ETag": etag}, body
        )
    match path.removeprefix("/openapi/v3/").split("/") if path.startswith("/openapi/v3/") else ():
        case ["api", version]:
            group = ""
        case ["apis", group, version]:
            pass
        case _:
            return None
    try:
        document = openapi_document(catalog, group, version)
    except KeyError:
        return None
    return _v3(request, document, now_s)


def _v2(request: Request, document: OpenApiDocument) -> Response:
    media = _choose(request.headers.get("accept", ""), V2_MEDIA_TYPE)
    body = document.body if media == JSON else _protobuf(document, encode_openapi_v2)
    etag = f'"{document.digest}"'
    return _tagged(request, etag) or Response(200, {"Content-Type": media, "ETag": etag, "Vary": "Accept"}, body)


def _v3(request: Request, document: OpenApiDocument, now_s: Callable[[], float]) -> Response:
    media = _choose(request.headers.get("accept", ""), V3_MEDIA_TYPE)
    asked = request.query.get("hash", "")
    if asked and asked != document.digest:
        return Response(301, {"Location": f"{request.path}?hash={document.digest}"})
    etag = f'"{document.digest}"'
    headers = {"Content-Type": media, "ETag": etag, "Vary": "Accept"}
    if asked:
        expires = datetime.fromtimestamp(now_s(), UTC) + YEAR
        headers["Cache-Control"] = "public, immutable"
        headers["Expires"] = expires.strftime("%a, %d %b %Y %H:%M:%S GMT")
    body = document.body if media == JSON else _protobuf(document, encode_openapi_v3)
    return _tagged(request, etag) or Response(200, headers, body)


@lru_cache(maxsize=64)
def _protobuf(document: OpenApiDocument, make: Callable[[Object], bytes]) -> bytes:
    loaded: Any = orjson.loads(document.body)
    return make(loaded)


def _index(catalog: Catalog) -> tuple[bytes, str]:
    found = catalog.documents.get("openapi/index/body")
    if found is None:
        body = encode(openapi_index(catalog))
        found = catalog.documents["openapi/index/body"] = (body, f'"{sha512(body).hexdigest().upper()}"')
    assert isinstance(found, tuple)
    return found


def _tagged(request: Request, etag: str) -> Response | None:
    """The answer to a client that has this document already."""
    if request.headers.get("if-none-match") != etag:
        return None
    return Response(304, {"ETag": etag, "Vary": "Accept"})


def _choose(accept: str, protobuf: str) -> str:
    """JSON, or the protobuf type. Raises NotAcceptable."""
    for item in accept.split(",") if accept else ("*/*",):
        media = item.partition(";")[0].strip()
        if media in ("*/*", "application/*", JSON):
            return JSON
        if media in (protobuf, protobuf.replace("@", ".")):
            return protobuf.replace("@", ".")  # Go's client does not parse the other, though it asks for it
    raise not_acceptable(f"only the following media types are accepted: {JSON}, {protobuf}")
