"""`apiserver kubeconfig`: for somebody, with a certificate signed by the authority that a server keeps in its --cert-dir."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from apiserver.cli.running import fail
from apiserver.cluster import build_kubeconfig, write_kubeconfig
from apiserver.pki import PkiError, find_pair, issue_client
from apiserver.server import Credentials


def run_kubeconfig(server: str, cert_dir: Path, user: str, groups: list[str], out: Path | None) -> int:
    """Prints it, or writes it to `out` for the owner alone; answers the exit code."""
    if not server.startswith("https://"):
        return fail(f"--server {server}: certificates are shown over https:// only", 2)
    try:
        authority = find_pair(cert_dir, "ca")
        if authority is None:
            return fail(f"--cert-dir {cert_dir}: there is no ca.crt with its ca.key; start the API server with --cert-dir", 2)
        issued = issue_client(authority, user, groups)
        credentials = Credentials(authority.certificate, certificate=issued.certificate, key=issued.key)
        if out is None:
            yaml.safe_dump(build_kubeconfig(server.rstrip("/"), credentials), sys.stdout, sort_keys=False)
        else:
            write_kubeconfig(out, server.rstrip("/"), credentials)
    except (PkiError, OSError, ValueError) as error:
        return fail(str(error), 1)
    return 0
