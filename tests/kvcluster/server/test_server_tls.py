"""TLS on every port: gRPC and HTTP on one, client certificates, users by their names, reloading, members among themselves."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kvcluster import pb
from kvcluster.config import TlsFiles
from kvcluster.errors import ConfigError
from kvcluster.server import Server


class Authority:
    """Signs certificates; files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key.public_key(), is_ca=True)
        self.ca_file = self._write(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def _write(self, name: str, data: bytes) -> str:
        path = self._folder / name
        path.write_bytes(data)
        return str(path)

    def _sign(self, name: x509.Name, key: Any, *, is_ca: bool = False, days: int = 1) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip

    def issue(self, name: str, *, file: str = "", days: int = 1) -> tuple[str, str]:
        """(certificate file, key file) for a Common Name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), days=days).public_bytes(serialization.Encoding.PEM)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = file or name
        return self._write(f"{file}.crt", certificate), self._write(f"{file}.key", pem)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def server_files(authority: Authority, **fields: Any) -> TlsFiles:
    return TlsFiles(*authority.issue("server"), **fields)


def channel_to(server: Server, authority: Authority, name: str = "", days: int = 1) -> grpc.aio.Channel:
    key = certificate = None
    if name:
        cert_file, key_file = authority.issue(name, file=f"client-{name}", days=days)
        certificate, key = Path(cert_file).read_bytes(), Path(key_file).read_bytes()
    credentials = grpc.ssl_channel_credentials(Path(authority.ca_file).read_bytes(), key, certificate)
    return grpc.aio.secure_channel(server.client_url.removeprefix("https://"), credentials)


async def get(channel: grpc.aio.Channel, key: bytes) -> int:
    call = channel.unary_unary("/etcdserverpb.KV/Range")
    answer = await call(pb.RangeRequest(key=key).SerializeToString(), timeout=10)
    return int(pb.RangeResponse.FromString(answer).count)


URLS = ("https://127.0.0.1:0",)


async def test_grpc_and_http_on_one_port(start: Callable[..., Any], authority: Authority):
    server = await start(listen_client_urls=URLS, client_tls=server_files(authority))
    assert server.client_url.startswith("https://")
    async with channel_to(server, authority) as channel:
        assert await get(channel, b"k") == 0
    context = ssl.create_default_context(cafile=authority.ca_file)
    async with aiohttp.ClientSession() as session, session.get(f"{server.client_url}/health", ssl=context) as answer:
        assert (await answer.json(content_type=None))["health"] == "true"


async def test_a_wrong_authority_is_not_believed(start: Callable[..., Any], authority: Authority, tmp_path: Path):
    server = await start(listen_client_urls=URLS, client_tls=server_files(authority))
    (tmp_path / "other").mkdir()
    async with channel_to(server, Authority(tmp_path / "other")) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await get(channel, b"k")
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_clients_must_show_a_certificate(start: Callable[..., Any], authority: Authority):
    files = server_files(authority, trusted_ca_file=authority.ca_file, client_cert_auth=True)
    server = await start(listen_client_urls=URLS, client_tls=files)
    async with channel_to(server, authority, "alice") as channel:
        assert await get(channel, b"k") == 0
    for stranger in (channel_to(server, authority), channel_to(server, authority, "late", days=-1)):
        async with stranger as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await get(channel, b"k")
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificates_name_is_a_user(start: Callable[..., Any], authority: Authority):
    files = server_files(authority, trusted_ca_file=authority.ca_file, client_cert_auth=True)
    server = await start(listen_client_urls=URLS, client_tls=files, bcrypt_cost=4)
    async with channel_to(server, authority, "root") as root, channel_to(server, authority, "alice") as alice:

        async def ask(method: str, request: Any) -> None:
            await root.unary_unary(f"/etcdserverpb.Auth/{method}")(request.SerializeToString(), timeout=10)

        for user in ("root", "alice"):
            await ask("UserAdd", pb.AuthUserAddRequest(name=user, options=pb.UserAddOptions(no_password=True)))
        await ask("UserGrantRole", pb.AuthUserGrantRoleRequest(user="root", role="root"))
        await ask("RoleAdd", pb.AuthRoleAddRequest(name="r"))
        await ask(
            "RoleGrantPermission", pb.AuthRoleGrantPermissionRequest(name="r", perm=pb.Permission(permType=0, key=b"a"))
        )
        await ask("UserGrantRole", pb.AuthUserGrantRoleRequest(user="alice", role="r"))
        await ask("AuthEnable", pb.AuthEnableRequest())
        assert await get(root, b"q") == 0
        assert await get(alice, b"a") == 0
        with pytest.raises(grpc.aio.AioRpcError, match="permission denied"):
            await get(alice, b"q")


async def test_a_certificate_made_at_the_start(start: Callable[..., Any]):
    server = await start(listen_client_urls=URLS, client_tls=TlsFiles(is_auto=True))
    async with aiohttp.ClientSession() as session, session.get(f"{server.client_url}/version", ssl=False) as answer:
        assert answer.status == 200


async def test_plaintext_on_a_tls_port_and_the_other_way_round(start: Callable[..., Any], authority: Authority):
    server = await start(
        listen_client_urls=("https://127.0.0.1:0", "http://127.0.0.1:0"), client_tls=server_files(authority)
    )
    secure, plain = (listening.sockets[0].getsockname()[1] for listening in server._listener._servers)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{secure}/health")
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://127.0.0.1:{plain}/health", ssl=False)
        async with session.get(f"http://127.0.0.1:{plain}/health") as answer:
            assert answer.status == 200


async def test_a_new_certificate_is_taken_and_a_broken_one_is_not(start: Callable[..., Any], authority: Authority):
    server = await start(listen_client_urls=URLS, client_tls=server_files(authority), heartbeat_interval=10)
    context = ssl.create_default_context(cafile=authority.ca_file)
    host, port = "127.0.0.1", int(server.client_url.rsplit(":", 1)[1])

    async def shown() -> str:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
        subject = dict(part[0] for part in writer.get_extra_info("peercert")["subject"])
        writer.transport.abort()
        return str(subject["commonName"])

    assert await shown() == "server"
    tls = server._client_tls
    cert_file, _ = authority.issue("renewed", file="server")
    os.utime(cert_file, ns=(1, 1))
    assert tls.check_files() is None
    assert await shown() == "renewed"
    authority._write("server.crt", b"nothing\n")
    assert "do not fit" in tls.check_files()
    assert await shown() == "renewed"


async def test_metrics_on_a_port_of_their_own(start: Callable[..., Any], free_ports: Callable[[int], list[int]]):
    url, http_url = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    await start(listen_metrics_urls=(url,), listen_client_http_urls=(http_url,))
    async with aiohttp.ClientSession() as session:
        for path, status in (("/metrics", 200), ("/readyz", 200), ("/v3/kv/range", 404)):
            async with session.get(url + path) as answer:
                assert answer.status == status
        async with session.post(f"{http_url}/v3/kv/range", json={"key": "YQ=="}) as answer:
            assert answer.status == 200


async def test_members_among_themselves(authority: Authority, free_ports: Callable[[int], list[int]]):
    """Three, with certificates that they check; a fourth without one is not heard."""
    from kvcluster.config import ServerConfig

    urls = {f"m{number}": f"https://127.0.0.1:{port}" for number, port in enumerate(free_ports(3))}
    servers = []
    try:
        async with asyncio.timeout(20):
            for name, url in urls.items():
                files = TlsFiles(*authority.issue(name), authority.ca_file, client_cert_auth=True, prefix="peer-")
                server = Server(
                    ServerConfig(
                        name=name, listen_client_urls=("http://127.0.0.1:0",), listen_peer_urls=(url,),
                        initial_advertise_peer_urls=(url,), peer_tls=files,
                        initial_cluster=",".join(f"{each}={at}" for each, at in urls.items()),
                    )
                )  # fmt: skip
                servers.append(server)
                await server.start()
            await asyncio.gather(*(server.ready() for server in servers))
            port = int(urls["m0"].rsplit(":", 1)[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"kvpeer1\n" + bytes(32))
            assert await reader.read() == b""
            writer.close()
    finally:
        for server in servers:
            await server.stop()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (TlsFiles(cert_file="x"), "--cert-file and --key-file go together"),
        (TlsFiles("/nowhere", "/nowhere"), "--cert-file: cannot read /nowhere"),
        (TlsFiles(is_auto=True, client_cert_auth=True), "--client-cert-auth needs --trusted-ca-file"),
        (TlsFiles(is_auto=True, min_version="SSL3"), "is not one of TLS1.2, TLS1.3"),
        (TlsFiles(is_auto=True, min_version="TLS1.3", max_version="TLS1.2"), "is above"),
        (TlsFiles(is_auto=True, trusted_ca_file="/nowhere"), "--trusted-ca-file: cannot read /nowhere"),
        (TlsFiles(), "needs --cert-file and --key-file, or --auto-tls"),
    ],
)
async def test_files_that_cannot_be_used(start: Callable[..., Any], files: TlsFiles, said: str):
    with pytest.raises(ConfigError, match=said):
        await start(listen_client_urls=URLS, client_tls=files)


async def test_a_key_of_another_certificate(start: Callable[..., Any], authority: Authority):
    cert_file, _ = authority.issue("one")
    _, key_file = authority.issue("two")
    with pytest.raises(ConfigError, match="do not fit"):
        await start(listen_client_urls=URLS, client_tls=TlsFiles(cert_file, key_file))
