"""The leader's duty to leases: those past their time are revoked, through the log, a few at a time.

    expired ──look, every check_ticks──▶ due ──take──▶ in flight ──revoked──▶ gone

As in etcd: a look every 500 ms finds at most 500 leases, and at most 16 revocations are in flight. Whenever some are answered
the next ones follow, so a look is worked off well before the next, and not 16 by 16 at the pace of the looks.
"""

from __future__ import annotations

from collections import deque

from kvcluster.apply import Applied
from kvcluster.lease import Lessor


class LeaseDuty:
    """A new leader starts with a new one of these. max_found: the leases of one look."""

    __slots__ = ("_check_ticks", "_max_in_flight", "_max_found", "_in_flight", "_due")

    def __init__(self, check_ticks: int, max_in_flight: int, max_found: int) -> None:
        self._check_ticks = check_ticks
        self._max_in_flight = max_in_flight
        self._max_found = max_found
        self._in_flight = 0
        self._due: deque[int] = deque()

    def look(self, lessor: Lessor, now_tick: int) -> None:
        """With every tick. What an earlier look found and is not yet in flight counts towards `max_found`."""
        if now_tick % self._check_ticks == 0:
            self._due.extend(lessor.expired(self._max_found - len(self._due)))

    def take(self, lessor: Lessor) -> list[int]:
        """The leases whose revocation is to be proposed now; `revoked` is called for each when it is answered."""
        taken: list[int] = []
        while self._due and self._in_flight < self._max_in_flight:
            id = self._due.popleft()
            if lessor.find(id) is not None:  # else a client was faster, or an earlier look had found it too
                self._in_flight += 1
                taken.append(id)
        return taken

    def revoked(self, applied: Applied) -> None:
        """Answered, however: what is still there and expired is listed again by the lessor."""
        self._in_flight -= 1
