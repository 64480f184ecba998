"""Who belongs to the cluster: replicated state, changed one member at a time by entries of raft's type CONF_CHANGE.

An entry carries the whole membership that it makes and the version that it was made from. So whoever proposed it knows what
he gets, two that were proposed at once cannot both count, and a member that joins later and reads the log from its beginning
needs to know nothing but the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from kvcluster.apply.applied import Applied
from kvcluster.errors import MembershipConflictError


class Seat(NamedTuple):
    """A member's place. A learner receives the log and has no vote."""

    peer_urls: tuple[str, ...]
    is_learner: bool = False


class Membership:
    """`seats` by id; `removed` ids never come back. version: how many changes there were."""

    __slots__ = ("version", "seats", "removed", "on_change")

    def __init__(self) -> None:
        self.version = 0
        self.seats: dict[int, Seat] = {}
        self.removed: dict[int, None] = {}
        self.on_change: Callable[[], object] = lambda: None
        """Called when an entry changes it, at that place of the log."""

    @property
    def voters(self) -> list[int]:
        return sorted(id for id, seat in self.seats.items() if not seat.is_learner)

    @property
    def learners(self) -> list[int]:
        return sorted(id for id, seat in self.seats.items() if seat.is_learner)

    def with_seat(self, id: int, seat: Seat) -> MembershipChange:
        """The change that adds a member, or gives it another seat."""
        return MembershipChange(self.version, self.seats | {id: seat}, self.removed)

    def without(self, id: int) -> MembershipChange:
        seats = {each: seat for each, seat in self.seats.items() if each != id}
        return MembershipChange(self.version, seats, self.removed | {id: None})

    def to_json(self) -> list[Any]:
        return [self.version, _seats_to_json(self.seats), sorted(self.removed)]

    def load_json(self, value: list[Any]) -> None:
        """Raises ValueError, TypeError, and is unchanged then."""
        version, seats, removed = value
        self.version, self.seats, self.removed = int(version), _seats_of(seats), dict.fromkeys(map(int, removed))


class MembershipChange(NamedTuple):
    """What the membership is to be; base: the version it was made from."""

    base: int
    seats: dict[int, Seat]
    removed: dict[int, None]


def encode_change(change: MembershipChange) -> bytes:
    return json.dumps([change.base, _seats_to_json(change.seats), sorted(change.removed)]).encode()


def decode_change(payload: bytes) -> MembershipChange:
    base, seats, removed = json.loads(payload)
    return MembershipChange(base, _seats_of(seats), dict.fromkeys(removed))


def _seats_to_json(seats: dict[int, Seat]) -> list[Any]:
    return [[id, list(seat.peer_urls), seat.is_learner] for id, seat in sorted(seats.items())]


def _seats_of(value: list[Any]) -> dict[int, Seat]:
    return {int(id): Seat(tuple(urls), bool(is_learner)) for id, urls, is_learner in value}


def apply_membership(state: Any, change: MembershipChange) -> Applied:
    """Raises MembershipConflictError where another change came first."""
    membership: Membership = state.membership
    if change.base != membership.version:
        raise MembershipConflictError
    membership.version += 1
    membership.seats, membership.removed = change.seats, change.removed
    for id in change.removed:
        state.attributes.pop(id, None)
    membership.on_change()
    return Applied(state.store.revision)
