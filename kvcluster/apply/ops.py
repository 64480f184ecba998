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

NAMES = {
    PUT: "put",
    DELETE_RANGE: "delete range",
    TXN: "txn",
    COMPACT: "compact",
    LEASE_GRANT: "lease grant",
    LEASE_REVOKE: "lease revoke",
    MEMBER_ATTRIBUTES: "member attributes",
    ALARM: "alarm",
}
