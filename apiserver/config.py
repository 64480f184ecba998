"""How an API server is started."""

from __future__ import annotations

from typing import NamedTuple


class AccessConfig(NamedTuple):
    """Who may come in, and how: the fields are kube-apiserver's flags. The default is plain HTTP that takes everybody for the
    same user, who may do everything: for one user on a loopback address.

    tls: serve HTTPS, with certificates made at the start where none are named; tls_cert_file implies it. cert_dir: where what
    is made is kept. anonymous_auth None: as kube-apiserver: taken, unless everything is allowed to everybody.
    is_exposed: listen on other than loopback addresses although anybody there may do everything.
    """

    tls: bool = False
    cert_dir: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    token_auth_file: str = ""
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ("X-Remote-User",)
    requestheader_group_headers: tuple[str, ...] = ("X-Remote-Group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)
    requestheader_uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    authorization_modes: tuple[str, ...] = ("AlwaysAllow",)
    anonymous_auth: bool | None = None
    service_account_issuers: tuple[str, ...] = ("https://kubernetes.default.svc",)
    service_account_signing_key_file: str = ""
    service_account_key_files: tuple[str, ...] = ()
    service_account_max_token_expiration_s: int = 0
    service_account_extend_token_expiration: bool = True
    api_audiences: tuple[str, ...] = ()
    is_exposed: bool = False

    @property
    def serves_tls(self) -> bool:
        return self.tls or bool(self.tls_cert_file)

    @property
    def is_open(self) -> bool:
        """Nobody has to prove anything."""
        return (
            not self.serves_tls
            and not self.token_auth_file
            and self.anonymous_auth is None
            and self.authorization_modes == ("AlwaysAllow",)
        )


class ApiServerConfig(NamedTuple):
    """port 0: any free one. compaction_interval_s: how often the store's history is dropped (Kubernetes: 5 minutes); 0 = never.

    seed: makes uids and generated names reproducible; None takes the system's randomness.

    service_networks: one, or one for each IP family, the default one first; node_ports: the first and the last.
    max_requests_in_flight, max_mutating_in_flight: more are told to come back (429).
    disabled_admission: plugins that are left out, by name ("ServiceAccount" where nobody makes accounts).
    """

    host: str = "127.0.0.1"
    port: int = 0
    compaction_interval_s: float = 300.0
    seed: int | None = None
    access: AccessConfig = AccessConfig()
    service_networks: tuple[str, ...] = ("10.96.0.0/16",)
    node_ports: tuple[int, int] = (30000, 32767)
    disabled_admission: tuple[str, ...] = ()
    max_requests_in_flight: int = 400
    max_mutating_in_flight: int = 200
