"""The flags of access control: kube-apiserver's names where it has them, `--tls` and `--insecure` where it has not.

kube-apiserver always serves TLS; here a cluster for one user on a loopback address is plain HTTP unless `--tls` is said, or
anything that needs credentials. Then it is served with a certificate made at the start, and the kubeconfig that is written
holds an administrator's certificate.
"""

from __future__ import annotations

from typing import Annotated

import typer

from apiserver.config import AccessConfig

Tls = Annotated[bool, typer.Option("--tls", help="Serve HTTPS, with certificates made at the start.")]
CertDir = Annotated[str, typer.Option(help="Where certificates and keys that are made are kept; empty: nowhere.")]
TlsCertFile = Annotated[str, typer.Option(help="Serve HTTPS with this certificate (PEM); read again when it changes.")]
TlsKeyFile = Annotated[str, typer.Option("--tls-private-key-file", help="Its private key.")]
ClientCaFile = Annotated[str, typer.Option(help="Whose client certificates count. Default: the authority made.")]
TokenAuthFile = Annotated[str, typer.Option(help='Tokens: lines of token,user,uid,"group1,group2".')]
AuthorizationMode = Annotated[
    str, typer.Option(help="AlwaysAllow, RBAC, Node, AlwaysDeny; several with commas.")
]
AnonymousAuth = Annotated[
    bool | None,
    typer.Option("--anonymous-auth/--no-anonymous-auth", help="Whether who shows nothing is let in as anonymous."),
]
Issuer = Annotated[list[str], typer.Option("--service-account-issuer", help="Issues tokens; the first of several.")]
SigningKeyFile = Annotated[str, typer.Option("--service-account-signing-key-file", help="What tokens are signed with.")]
KeyFiles = Annotated[
    list[str], typer.Option("--service-account-key-file", help="Further keys whose tokens are believed.")
]
MaxTokenExpiration = Annotated[
    int, typer.Option("--service-account-max-token-expiration", min=0, help="Seconds; 0 = no limit of our own.")
]
ApiAudiences = Annotated[str, typer.Option(help="Who tokens are for, with commas. Default: the issuer.")]
ProxyCaFile = Annotated[
    str, typer.Option("--requestheader-client-ca-file", help="Whose certificates proxies show that say who asks.")
]
ProxyNames = Annotated[
    str, typer.Option("--requestheader-allowed-names", help="Common Names of such proxies, with commas. Default: all.")
]
EtcdCaFile = Annotated[str, typer.Option("--etcd-cafile", help="Whose certificates the store must show (https).")]
EtcdCertFile = Annotated[str, typer.Option("--etcd-certfile", help="What is shown to the store.")]
EtcdKeyFile = Annotated[str, typer.Option("--etcd-keyfile", help="Its private key.")]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Listen on other than loopback addresses without TLS and authorization.")
]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def build_access(
    *,
    tls: bool = False,
    cert_dir: str = "",
    tls_cert_file: str = "",
    tls_private_key_file: str = "",
    client_ca_file: str = "",
    token_auth_file: str = "",
    authorization_mode: str = "AlwaysAllow",
    anonymous_auth: bool | None = None,
    service_account_issuers: list[str] | None = None,
    service_account_signing_key_file: str = "",
    service_account_key_files: list[str] | None = None,
    service_account_max_token_expiration_s: int = 0,
    api_audiences: str = "",
    requestheader_client_ca_file: str = "",
    requestheader_allowed_names: str = "",
    insecure: bool = False,
) -> AccessConfig:
    default = AccessConfig()
    # kubectl and every other Go client show no credentials over plain HTTP.
    needs_credentials = authorization_mode != "AlwaysAllow" or bool(token_auth_file) or anonymous_auth is False
    needs_credentials = needs_credentials or bool(requestheader_client_ca_file)
    return AccessConfig(
        tls=tls or needs_credentials,
        cert_dir=cert_dir,
        tls_cert_file=tls_cert_file,
        tls_private_key_file=tls_private_key_file,
        client_ca_file=client_ca_file,
        token_auth_file=token_auth_file,
        authorization_modes=_split(authorization_mode),
        anonymous_auth=anonymous_auth,
        service_account_issuers=tuple(service_account_issuers or default.service_account_issuers),
        service_account_signing_key_file=service_account_signing_key_file,
        service_account_key_files=tuple(service_account_key_files or ()),
        service_account_max_token_expiration_s=service_account_max_token_expiration_s,
        api_audiences=_split(api_audiences),
        requestheader_client_ca_file=requestheader_client_ca_file,
        requestheader_allowed_names=_split(requestheader_allowed_names),
        is_exposed=insecure,
    )


def as_arguments(config: AccessConfig) -> list[str]:
    """The flags of `apiserver serve` that mean this, for a process of its own. Only what `apiserver up` can be told."""
    found: list[str] = []
    if config.tls:
        found.append("--tls")
    if config.is_exposed:
        found.append("--insecure")
    for flag, value in (
        ("--cert-dir", config.cert_dir),
        ("--token-auth-file", config.token_auth_file),
        ("--authorization-mode", ",".join(config.authorization_modes)),
    ):
        if value:
            found += [flag, value]
    return found
