"""Changes of members, checked and made: what MemberAdd, MemberRemove, MemberUpdate and MemberPromote mean (etcd.md 2.11).

Each function looks at a membership and answers the change that is to be proposed; it raises what etcd refuses with. A change that
another one overtook is looked at again by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from kvcluster.apply import Membership, MembershipChange, Seat
from kvcluster.errors import (
    InvalidMemberUrlsError,
    LearnerNotReadyError,
    MemberExistsError,
    MemberNotFoundError,
    MemberNotLearnerError,
    NotEnoughStartedMembersError,
    PeerUrlExistsError,
    TooManyLearnersError,
    UnhealthyClusterError,
)

MAX_LEARNERS = 1
"""etcd's --max-learners."""

READY_SHARE = 0.9
"""Of the leader's log that a learner must hold to be promoted."""

IsUp = Callable[[int], bool]
"""Whether a member is connected with this one."""


def check_urls(urls: Sequence[str]) -> tuple[str, ...]:
    """The URLs, sorted. Raises InvalidMemberUrlsError."""
    for url in urls:
        try:
            parts = urlsplit(url)
            is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port is not None
        except ValueError:
            is_right = False
        if not is_right or parts.path or parts.query or parts.fragment:
            raise InvalidMemberUrlsError
    if not urls:
        raise InvalidMemberUrlsError
    return tuple(sorted(urls))


def add(
    membership: Membership, names: dict[int, str], id: int, urls: tuple[str, ...], is_learner: bool, is_up: IsUp
) -> MembershipChange:
    """names: of the members that have started. The new one is not among them until it has."""
    if id in membership.seats or id in membership.removed:
        raise MemberExistsError
    _check_urls_free(membership, id, urls)
    if is_learner:
        if len(membership.learners) >= MAX_LEARNERS:
            raise TooManyLearnersError
    else:
        _check_started(membership.voters, names, added=1)
        _check_connected(membership.voters, is_up)
    return membership.with_seat(id, Seat(urls, is_learner))


def remove(membership: Membership, names: dict[int, str], id: int, own_id: int, is_up: IsUp) -> MembershipChange:
    seat = _seat(membership, id)
    if not seat.is_learner:
        left = [voter for voter in membership.voters if voter != id]
        if not left:
            raise NotEnoughStartedMembersError
        _check_started(left, names)
        if id == own_id or is_up(id):  # one that is down is no part of the quorum that is at work
            active = sum(voter == own_id or is_up(voter) for voter in membership.voters)
            if active - 1 < 1 + (len(membership.voters) - 1) // 2:
                raise UnhealthyClusterError
    return membership.without(id)


def update(membership: Membership, id: int, peer_urls: Sequence[str]) -> MembershipChange:
    seat = _seat(membership, id)
    urls = check_urls(peer_urls)
    _check_urls_free(membership, id, urls)
    return membership.with_seat(id, seat._replace(peer_urls=urls))


def promote(membership: Membership, names: dict[int, str], id: int, is_in_sync: bool, is_up: IsUp) -> MembershipChange:
    seat = _seat(membership, id)
    if not seat.is_learner:
        raise MemberNotLearnerError
    if not is_in_sync:
        raise LearnerNotReadyError
    _check_started([*membership.voters, id], names)
    return membership.with_seat(id, seat._replace(is_learner=False))


def _seat(membership: Membership, id: int) -> Seat:
    seat = membership.seats.get(id)
    if seat is None:
        raise MemberNotFoundError
    return seat


def _check_urls_free(membership: Membership, id: int, urls: tuple[str, ...]) -> None:
    for other, seat in membership.seats.items():
        if other != id and set(urls) & set(seat.peer_urls):
            raise PeerUrlExistsError


def _check_started(voters: list[int], names: dict[int, str], added: int = 0) -> None:
    """Whether those of the new configuration that have started are a majority of it (etcd: --strict-reconfig-check).

    One member may always become two, or the first step from one to three would be forbidden.
    """
    started = sum(bool(names.get(voter)) for voter in voters)
    size = len(voters) + added
    if added and (started, size) == (1, 2):
        return
    if started < size // 2 + 1:
        raise NotEnoughStartedMembersError


def _check_connected(voters: list[int], is_up: IsUp) -> None:
    if not all(map(is_up, voters)):
        raise UnhealthyClusterError
