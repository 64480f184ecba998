"""What an entry of the log asks for, as one byte. Numbers are part of the log: never renumber."""

from __future__ import annotations

PUT = 1
DELETE_RANGE = 2
TXN = 3
COMPACT = 4
LEASE_GRANT = 5
LEASE_REVOKE = 6
MEMBER_ATTRIBUTES = 7
ALARM = 8

AUTH_ENABLE = 16
AUTH_DISABLE = 17
AUTHENTICATE = 18
USER_ADD = 19
USER_DELETE = 20
USER_CHANGE_PASSWORD = 21
USER_GRANT_ROLE = 22
USER_REVOKE_ROLE = 23
ROLE_ADD = 24
ROLE_DELETE = 25
ROLE_GRANT_PERMISSION = 26
ROLE_REVOKE_PERMISSION = 27
OF_AUTH = frozenset(range(AUTH_ENABLE, ROLE_REVOKE_PERMISSION + 1))

DOWNGRADE = 32
MEMBERSHIP = 33

AUTHORIZED = 0x80
"""Added to an operation: the entry says who asked for it (apply/auth.py)."""

NAMES = {
    PUT: "put",
    DELETE_RANGE: "delete range",
    TXN: "txn",
    COMPACT: "compact",
    LEASE_GRANT: "lease grant",
    LEASE_REVOKE: "lease revoke",
    MEMBER_ATTRIBUTES: "member attributes",
    ALARM: "alarm",
    AUTH_ENABLE: "auth enable",
    AUTH_DISABLE: "auth disable",
    AUTHENTICATE: "authenticate",
    USER_ADD: "user add",
    USER_DELETE: "user delete",
    USER_CHANGE_PASSWORD: "user change password",
    USER_GRANT_ROLE: "user grant role",
    USER_REVOKE_ROLE: "user revoke role",
    ROLE_ADD: "role add",
    ROLE_DELETE: "role delete",
    ROLE_GRANT_PERMISSION: "role grant permission",
    ROLE_REVOKE_PERMISSION: "role revoke permission",
    DOWNGRADE: "downgrade",
    MEMBERSHIP: "membership",
}
