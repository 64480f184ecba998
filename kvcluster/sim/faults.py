"""What goes wrong, and when: a table of faults, drawn from one stream of dice.

A fault is a plain function on the simulation's `Site`. They overlap as chance has it: a member may be stopped while the
network is cut between the other two, which is more than a group of three survives; it must then wait, and be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random
from typing import Protocol


class CrashPoint(IntEnum):
    """Where in its turn a member dies. What was persisted before stays, the rest is as if it had never been."""

    BEFORE_PERSIST = 0
    BEFORE_SEND = 1
    BEFORE_APPLY = 2


class Site(Protocol):
    """What faults can get their hands on. Ids are members'."""

    @property
    def ids(self) -> Sequence[int]: ...

    def find_leader(self) -> int | None: ...

    def is_up(self, id: int) -> bool: ...

    def stop(self, id: int) -> None: ...

    def start(self, id: int) -> None: ...

    def crash_in_next_turn(self, id: int, point: CrashPoint) -> None: ...

    def pause(self, id: int, steps: int) -> None:
        """The member's process gets no time; what is sent to it waits."""
        ...

    def set_steps_per_tick(self, id: int, steps: int) -> None:
        """How fast the member's clock goes."""
        ...

    def cut(self, sender: int, to: int) -> None: ...

    def heal(self) -> None: ...

    def compact_log(self, id: int) -> None:
        """The member makes a snapshot and forgets its log, so that who lags needs the snapshot."""
        ...


Fault = Callable[[Site, Random, int], None]


def isolate(site: Site, random: Random, id: int) -> None:
    """Nobody hears the member, and it hears nobody."""
    for other in site.ids:
        if other != id:
            site.cut(id, other)
            site.cut(other, id)


def deafen(site: Site, random: Random, id: int) -> None:
    """The member hears nobody but is heard: it campaigns, and the others hear of it."""
    for other in site.ids:
        if other != id:
            site.cut(other, id)


def mute(site: Site, random: Random, id: int) -> None:
    """The member hears everybody and is not heard: a leader that believes it leads."""
    for other in site.ids:
        if other != id:
            site.cut(id, other)


def cut_one_link(site: Site, random: Random, id: int) -> None:
    """Two members do not reach each other, but both reach the third."""
    others = [other for other in site.ids if other != id]
    if others:
        other = random.choice(others)
        site.cut(id, other)
        site.cut(other, id)


def stop(site: Site, random: Random, id: int) -> None:
    if site.is_up(id):
        site.stop(id)


def crash(site: Site, random: Random, id: int) -> None:
    """Dies in the middle of its next turn."""
    if site.is_up(id):
        site.crash_in_next_turn(id, random.choice(list(CrashPoint)))


def restart_at_once(site: Site, random: Random, id: int) -> None:
    if site.is_up(id):
        site.stop(id)
        site.start(id)


def stop_all(site: Site, random: Random, id: int) -> None:
    """The power goes: what is not in a log is gone."""
    for other in site.ids:
        if site.is_up(other):
            site.stop(other)


def restart_all(site: Site, random: Random, id: int) -> None:
    """Everybody campaigns at about the same time, with votes of the last term in the logs."""
    for other in site.ids:
        if site.is_up(other):
            site.stop(other)
        site.start(other)


def pause(site: Site, random: Random, id: int) -> None:
    site.pause(id, random.randint(5, 120))


def slow_clock(site: Site, random: Random, id: int) -> None:
    site.set_steps_per_tick(id, random.randint(4, 10))


def fast_clock(site: Site, random: Random, id: int) -> None:
    site.set_steps_per_tick(id, 1)


def compact_log(site: Site, random: Random, id: int) -> None:
    if site.is_up(id):
        site.compact_log(id)


FAULTS: dict[str, tuple[int, Fault]] = {
    # name: (weight, what happens)
    "isolate": (4, isolate),
    "deafen": (2, deafen),
    "mute": (2, mute),
    "cut one link": (2, cut_one_link),
    "stop": (3, stop),
    "crash": (4, crash),
    "restart": (3, restart_at_once),
    "stop all": (1, stop_all),
    "restart all": (2, restart_all),
    "pause": (3, pause),
    "slow clock": (1, slow_clock),
    "fast clock": (1, fast_clock),
    "compact": (5, compact_log),
}


@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """A fault of `names` happens each step with probability `rate`; all is repaired up to `max_steps` after the first."""

    rate: float = 0.02
    max_steps: int = 150
    names: tuple[str, ...] = field(default_factory=lambda: tuple(FAULTS))


class Faults:
    """Decides each step whether something breaks, and whether everything is repaired again."""

    def __init__(self, random: Random, options: FaultOptions) -> None:
        self._random = random
        self._options = options
        self._weights = [FAULTS[name][0] for name in options.names]
        self._repair_at: int | None = None
        self.count = 0

    def step(self, now: int, site: Site) -> str | None:
        """Breaks or repairs something; says what, for the trace. None: nothing happened."""
        if self._repair_at is not None and now >= self._repair_at:
            self._repair_at = None
            repair(site)
            return "repair"
        if self._random.random() >= self._options.rate:
            return None
        (name,) = self._random.choices(self._options.names, self._weights)
        # The leader is where most of the bugs are: half of the time it is hit.
        leader = site.find_leader()
        id = leader if leader is not None and self._random.random() < 0.5 else self._random.choice(site.ids)
        FAULTS[name][1](site, self._random, id)
        self.count += 1
        if self._repair_at is None:
            self._repair_at = now + self._random.randint(1, self._options.max_steps)
        return f"{name} {id}"


def repair(site: Site) -> None:
    """Links carry, members are up, clocks go right."""
    site.heal()
    for id in site.ids:
        site.set_steps_per_tick(id, 2)
        if not site.is_up(id):
            site.start(id)
