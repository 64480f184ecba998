"""The `apiserver` command as a user runs it: real processes, random ports, Ctrl-C."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from apiserver.auth import find_certificate_user
from apiserver.pki import issue_client, issue_serving, make_authority, write_pair

ROOT = Path(__file__).resolve().parents[3]
WEB = str(ROOT / "examples/web.yaml")


async def start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "apiserver", *arguments, cwd=ROOT, env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def up(folder: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """`apiserver up` and what it printed until it was ready."""
    kubeconfig = folder / "kubeconfig"
    process = await start(
        folder, "up", "--port", "0", "--store-port", "0", "--kubeconfig", str(kubeconfig), *arguments
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(60):
            while not lines or not lines[-1].startswith("Ctrl-C"):
                line = (await process.stdout.readline()).decode()
                assert line, f"ended early: {(await process.stderr.read()).decode()}"
                lines.append(line)
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("arguments", [(), ("--replicas", "3"), ("--processes", "--replicas", "3")], ids=str)
async def test_up_shows_the_cluster_and_leaves_nothing_behind(tmp_path: Path, arguments: tuple[str, ...]):
    async with up(tmp_path, "--nodes", "3", "--apply", WEB, *arguments) as (process, lines):
        text = "".join(lines)
        assert lines[:2] == ["deployment.apps/web created\n", "service/web created\n"]
        pods = [line.split() for line in lines if line.strip().startswith("default") and "Running" in line]
        assert len(pods) == 3
        assert {row[-1] for row in pods} == {"node-0", "node-1", "node-2"}, "spread over the nodes"
        assert text.count("leader") == 1
        assert text.count("follower") == (2 if "--replicas" in arguments else 0)
        kubeconfig = tmp_path / "kubeconfig"
        assert f"export KUBECONFIG={kubeconfig}" in text
        assert kubeconfig.stat().st_mode & 0o077 == 0
        assert yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"].startswith(
            "http://127.0.0.1:"
        )
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert not kubeconfig.exists()


async def test_a_third_party_plugin_is_one_class_named_on_the_command_line(tmp_path: Path):
    manifest = tmp_path / "pods.yaml"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    manifest.write_text(yaml.safe_dump(pod))
    plugin = "examples.zone_sticky:ZoneSticky=100"
    async with up(tmp_path, "--nodes", "6", "--apply", str(manifest), "--scheduler-plugin", plugin) as (_, lines):
        (row,) = [line.split() for line in lines if line.strip().startswith("default") and "Running" in line]
        assert row[-1] in ("node-0", "node-3"), "nodes are dealt to zone-a, zone-b, zone-c in turn"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("up", "--replicas", "2"), 2, "--replicas 2"),
        (("up", "--nodes", "-1"), 2, "--nodes"),
        (("up", "--apply", "/nowhere.yaml"), 1, "/nowhere.yaml: No such file"),
        (("up", "--scheduler-plugin", "nonsense"), 2, "nonsense"),
        (("up", "--log-level", "loud"), 2, "--log-level loud"),
        (("up", "--bogus"), 2, "--bogus"),
        (("serve",), 2, "--etcd-servers"),
        (("serve", "--etcd-servers", "http://127.0.0.1:1", "--port", "0"), 1, "127.0.0.1:1"),
        (("serve", "--etcd-servers", "http://127.0.0.1:1", "--etcd-cafile", "/nowhere"), 2, "--etcd-cafile /nowhere"),
        (("scheduler", "--kubeconfig", "/nowhere"), 1, "/nowhere"),
        (("controllers", "--kubeconfig", "/nowhere"), 1, "/nowhere"),
        (("nodes", "--kubeconfig", "/nowhere"), 1, "/nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_mistakes_are_told_in_words(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str):
    process = await start(tmp_path, *arguments)
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    assert said in err.decode()
    assert "Traceback" not in err.decode()
    assert out == b""


@pytest.mark.parametrize("arguments", [(), ("--processes",)], ids=str)
async def test_up_serves_tls_and_roles_when_it_is_told(tmp_path: Path, arguments: tuple[str, ...]):
    flags = ("--nodes", "1", "--apply", WEB, "--authorization-mode", "RBAC", *arguments)
    async with up(tmp_path, *flags) as (process, lines):
        assert sum("Running" in line for line in lines) == 3
        document = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        assert document["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")
        assert "client-key-data" in document["users"][0]["user"]
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def test_an_open_api_server_is_not_served_to_the_network(tmp_path: Path):
    process = await start(tmp_path, "up", "--host", "0.0.0.0", "--port", "0", "--store-port", "0")
    _, said = await process.communicate()
    assert process.returncode != 0
    assert b"serve TLS and authorize by RBAC (--tls --authorization-mode RBAC), or say --insecure" in said


async def test_an_api_server_comes_to_a_store_that_wants_certificates(tmp_path: Path):
    authority = make_authority()
    write_pair(tmp_path, "ca", authority)
    write_pair(tmp_path, "store", issue_serving(authority, ["127.0.0.1"]))
    write_pair(tmp_path, "client", issue_client(authority, "apiserver"))
    files = {name: str(tmp_path / name) for name in ("ca.crt", "store.crt", "store.key", "client.crt", "client.key")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{probe.getsockname()[1]}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    store = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kvcluster", "serve", "--listen-client-urls", url, "--advertise-client-urls", url,
        "--cert-file", files["store.crt"], "--key-file", files["store.key"], "--trusted-ca-file", files["ca.crt"],
        "--client-cert-auth", "--listen-peer-urls", "http://127.0.0.1:0", cwd=tmp_path, env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    server = await start(
        tmp_path, "serve", "--etcd-servers", url, "--port", "0", "--etcd-cafile", files["ca.crt"],
        "--etcd-certfile", files["client.crt"], "--etcd-keyfile", files["client.key"],
    )  # fmt: skip
    assert server.stdout is not None and server.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = await server.stdout.readline()
        assert line.startswith(b"serving on http://127.0.0.1:"), (await server.stderr.read()).decode()
    finally:
        for process in (server, store):
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_a_kubeconfig_is_made_for_anybody(tmp_path: Path):
    arguments = ("kubeconfig", "--server", "https://127.0.0.1:6443", "--cert-dir", str(tmp_path), "--user", "ada")
    process = await start(tmp_path, *arguments)
    _, said = await process.communicate()
    assert process.returncode == 2 and b"there is no ca.crt" in said
    write_pair(tmp_path, "ca", make_authority())
    process = await start(tmp_path, *arguments, "--group", "dev")
    printed, _ = await process.communicate()
    user = yaml.safe_load(printed)["users"][0]["user"]
    pem = base64.b64decode(user["client-certificate-data"])
    found = find_certificate_user(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER))
    assert (found.name, found.groups) == ("ada", ("dev",))
    process = await start(tmp_path, *arguments, "--out", str(tmp_path / "kubeconfig"))
    assert await process.wait() == 0
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o077 == 0
