"""The leader's duty to leases: those past their time are revoked, through the log, a few at a time."""

from __future__ import annotations

from kvcluster.apply import Applied
from kvcluster.lease import Lessor


class LeaseDuty:
    """etcd looks every 500 ms and keeps at most 16 revocations in flight. A new leader starts with a new one of these."""

    __slots__ = ("_check_ticks", "_max_in_flight", "_in_flight")

    def __init__(self, check_ticks: int, max_in_flight: int) -> None:
        self._check_ticks = check_ticks
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    def due(self, lessor: Lessor, now_tick: int) -> list[int]:
        """The leases whose revocation is to be proposed now; `revoked` is called for each when it is answered."""
        room = self._max_in_flight - self._in_flight
        if now_tick % self._check_ticks or room <= 0:
            return []
        ids = lessor.expired(room)
        self._in_flight += len(ids)
        return ids

    def revoked(self, applied: Applied) -> None:
        """Answered, however: what is still there and expired is listed again by the lessor."""
        self._in_flight -= 1
