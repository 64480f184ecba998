"""Answers of a real kube-apiserver 1.36.2, replayed in their order: the same status, reason, message, causes and object.

testdata/golden_answers.json holds the requests and what was answered. DIFFERENCES is what may differ, and why; an entry that
no longer differs fails, so the list cannot grow old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apiserver.config import ApiServerConfig
from apiserver.server import ApiServer
from kvcluster import Cluster

GOLDEN = json.loads((Path(__file__).parent / "testdata/golden_answers.json").read_text())["interactions"]

NO_CONTROLLERS = {".metadata.annotations", ".status"}  # the real server had its controllers running
DIFFERENCES: dict[str, set[str]] = {
    "resourceVersion on create": {".metadata.resourceVersion"},  # a dry run echoes the version
    "future resourceVersion": {".message"},  # names the current revision
    "strategic merge containers": NO_CONTROLLERS,
    "strategic delete directive": NO_CONTROLLERS,
    "strategic on status of wrong subresource": NO_CONTROLLERS,
    "delete deployment foreground": NO_CONTROLLERS,
    "table of one": {f".columnDefinitions[{column}].description" for column in (5, 6, 7, 8)},  # in our own words
    "watch old rv": {".object.message"},  # names the current revision
    "partial list": {".metadata.continue"},  # likewise
    "token request": {".status"},  # a token and its end
    "change pod nodeName": {".message", ".details"},  # the diff at its end is Go's
}

# The recording does not say which requests asked for another form.
ACCEPT = {
    "not acceptable": "text/html",
    "table of one": "application/json;as=Table;v=v1;g=meta.k8s.io",
    "partial list": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
}
# What controllers had put into the namespace.
CA_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal "
    "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)
FOUND = (
    ("/api/v1/namespaces", {"metadata": {"name": "golden"}}),
    ("/api/v1/namespaces/golden/serviceaccounts", {"metadata": {"name": "default"}}),
    (
        "/api/v1/namespaces/golden/configmaps",
        {"metadata": {"name": "kube-root-ca.crt", "annotations": {"kubernetes.io/description": CA_TEXT}}},
    ),
    ("/api/v1/namespaces/golden/configmaps", {"metadata": {"name": "openshift-service-ca.crt"}}),
)

TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
FIXTURES_OWN = "openshift-service-ca.crt"  # a source of the token volume that only that server had
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIMES = ("creationTimestamp", "deletionTimestamp", "lastTransitionTime")


def normal(value: Any) -> Any:
    """Without what is different at each run."""
    if isinstance(value, dict):
        return {key: _normal_field(key, item) for key, item in value.items() if key != "managedFields"}
    if isinstance(value, list):
        return [normal(item) for item in value if not _is_fixtures_own(item)]
    return TOKEN_VOLUME.sub("<token>", UID.sub("<uid>", value)) if isinstance(value, str) else value


def _is_fixtures_own(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("configMap") or {}).get("name") == FIXTURES_OWN


def _normal_field(key: str, value: Any) -> Any:
    if key == "resourceVersion":
        return "<rv>"
    if key in TIMES and value:
        return "<time>"
    return normal(value)


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            yield from differences(wanted.get(key), found.get(key), f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (left, right) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif wanted != found:
        yield path, wanted, found


def _body(interaction: dict[str, Any]) -> bytes:
    if interaction.get("rawBody") is not None:
        return interaction["rawBody"].encode()
    return b"" if interaction.get("body") is None else json.dumps(interaction["body"]).encode()


def warning_texts(said: str) -> list[str]:
    """The texts of Warning headers, as they came over the wire."""
    return [text.replace('\\"', '"') for text in re.findall(r'299 - "((?:[^"\\]|\\.)*)"', said)]


async def test_golden_answers():
    wrong = []
    async with Cluster(members=1) as store:
        server = ApiServer(ApiServerConfig(), store.client())
        await server.start()
        transport = server.in_process_transport()
        json_type = [("content-type", "application/json")]
        for path, obj in FOUND:
            await transport.request("POST", path, headers=json_type, body=json.dumps(obj).encode())
        for interaction in GOLDEN:
            url = urlsplit(interaction["path"])
            headers = [
                ("content-type", interaction["contentType"] or "application/json"),
                ("accept", ACCEPT.get(interaction["name"], "application/json")),
            ]
            query = parse_qsl(url.query, keep_blank_values=True)
            answer = await transport.request(
                interaction["method"], url.path, query=query, headers=headers, body=_body(interaction)
            )
            try:
                found = json.loads(answer.body)
            except ValueError:
                found = answer.body.decode()
            allowed = DIFFERENCES.get(interaction["name"], set())
            seen = set()
            if answer.status != interaction["status"]:
                wrong.append(f"{interaction['name']}: status {answer.status}, not {interaction['status']}")
            for path, left, right in differences(normal(interaction["response"]), normal(found)):
                excuse = next((prefix for prefix in allowed if path.startswith(prefix)), None)
                seen.add(excuse)
                if excuse is None:
                    wrong.append(f"{interaction['name']}: {path}: wanted {left!r}, got {right!r}")
            warnings = warning_texts(answer.headers.get("Warning", ""))
            if warnings != warning_texts(" ".join(interaction.get("warnings", []))):
                wrong.append(f"{interaction['name']}: warnings {warnings}, not {interaction.get('warnings')}")
            if allowed and not seen - {None}:
                wrong.append(f"{interaction['name']}: does not differ any more; take it off the list")
        await server.stop()
    assert not wrong, "\n".join(wrong)
