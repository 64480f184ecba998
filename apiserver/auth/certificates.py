"""Client certificates: the Common Name is the user, each Organization a group.

Whether the certificate is good (signed by the client CA, in its time) was settled by the TLS handshake; here is what it says.
The OID of the uid is Kubernetes' own (KEP 4633).
"""

from __future__ import annotations

import hashlib
from typing import Any

from apiserver.auth.user import User

UID_OID = "1.3.6.1.4.1.57683.2"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


def find_certificate_user(der: bytes) -> User | None:
    """None for one without a Common Name, or that says two uids. Raises ValueError for bytes that are no certificate."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_der_x509_certificate(der).subject

    def values(oid: Any) -> list[str]:
        return [str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)]

    names = values(NameOID.COMMON_NAME)
    uids = values(x509.ObjectIdentifier(UID_OID))
    if not names or not names[-1] or len(uids) > 1:
        return None
    groups = tuple(values(NameOID.ORGANIZATION_NAME))
    extra = {CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)}
    return User(names[-1], uids[0] if uids else "", groups, extra)
