"""What a controller has asked for and not yet seen, so that a late watch does not make it ask twice.

Having created three pods, a controller's informer may still show none; reconciling on that would create three more. So
it writes down what to expect and does nothing about a key until its watch has shown it, or EXPIRY_S have passed (then
something was lost, and the informer is believed again).
Source of the rule: Kubernetes pkg/controller/controller_utils.go, ControllerExpectations.
"""

from __future__ import annotations

from collections.abc import Iterable

from kvcluster.clock import Clock

EXPIRY_S = 300.0


class _Expected:
    __slots__ = ("creations", "deletions", "since_s")

    def __init__(self, since_s: float) -> None:
        self.creations = 0
        self.deletions: set[str] = set()
        self.since_s = since_s


class Expectations:
    """By key of the object that is reconciled."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def satisfied(self, key: str) -> bool:
        """True when everything asked for has been seen, or it is no use waiting."""
        expected = self._expected.get(key)
        if expected is None or (expected.creations <= 0 and not expected.deletions):
            return True
        return self._clock.monotonic_s() - expected.since_s >= EXPIRY_S

    def expect_creations(self, key: str, count: int) -> None:
        self._expected[key] = expected = _Expected(self._clock.monotonic_s())
        expected.creations = count

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        self._expected[key] = expected = _Expected(self._clock.monotonic_s())
        expected.deletions.update(uids)

    def expect(self, key: str, creations: int, deletions: Iterable[str]) -> None:
        """Both at once."""
        self._expected[key] = expected = _Expected(self._clock.monotonic_s())
        expected.creations = creations
        expected.deletions.update(deletions)

    def creation_seen(self, key: str, count: int = 1) -> None:
        """Also for a creation that failed: it will never be seen."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.creations -= count

    def deletion_seen(self, key: str, uid: str) -> None:
        """Also for a deletion that failed. Seeing one twice changes nothing."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def forget(self, key: str) -> None:
        self._expected.pop(key, None)
