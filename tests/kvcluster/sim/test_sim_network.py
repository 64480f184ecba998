"""The simulated network and the faults: what they do to messages and members, and that they repeat."""

from __future__ import annotations

from random import Random

import pytest

from kvcluster.raft import Entry, Message, MessageType
from kvcluster.sim import FAULTS, FaultOptions, Faults, Network, NetworkOptions, draw_options

QUIET = {"drop": 0.0, "duplicate": 0.0, "straggle": 0.0, "max_delay_steps": 1}


def build_network(**options) -> Network:
    return Network(Random("network"), NetworkOptions(**{**QUIET, **options}))


def heartbeat(number: int, sender: int = 1, to: int = 2) -> Message:
    return Message(MessageType.HEARTBEAT, to, sender, 1, commit=number, entries=[])


def arrived(network: Network, now: int) -> list[Message]:
    return list(network.deliver(now))


def test_a_message_arrives_later_and_once():
    network = build_network()
    network.send(5, [heartbeat(1), heartbeat(2)])
    assert arrived(network, 5) == []
    assert arrived(network, 6) == [heartbeat(1), heartbeat(2)]
    assert arrived(network, 7) == []


def test_messages_overtake_each_other():
    network = build_network(max_delay_steps=8)
    network.send(0, [heartbeat(number) for number in range(50)])
    numbers = [message.commit for now in range(9) for message in arrived(network, now)]
    assert sorted(numbers) == list(range(50))
    assert numbers != sorted(numbers)


def test_messages_are_lost_and_repeated_but_proposals_never_repeated():
    network = build_network(drop=0.3, duplicate=0.5)
    proposal = Message(MessageType.PROP, 2, 1, entries=[Entry(0, 0, 0, b"x")])
    network.send(0, [heartbeat(number) for number in range(100)] + [proposal] * 100)
    messages = arrived(network, 99)
    heartbeats = [message.commit for message in messages if message.type is MessageType.HEARTBEAT]
    assert len(set(heartbeats)) < 100
    assert len(heartbeats) > len(set(heartbeats))
    assert 50 < sum(message == proposal for message in messages) < 100
    assert network.dropped > 0


def test_a_cut_is_one_way_and_spares_what_is_under_way():
    network = build_network()
    network.send(0, [heartbeat(1)])
    network.cut(1, 2)
    network.send(0, [heartbeat(2), heartbeat(3, sender=2, to=1)])
    assert [message.commit for message in arrived(network, 1)] == [1, 3]
    network.heal()
    network.send(1, [heartbeat(4)])
    assert [message.commit for message in arrived(network, 2)] == [4]


def test_the_network_is_bounded():
    network = build_network(max_in_flight=3)
    network.send(0, [heartbeat(number) for number in range(5)])
    assert [message.commit for message in arrived(network, 1)] == [0, 1, 2]


def test_a_calm_network_delivers_everything_in_order():
    network = build_network(drop=0.9, duplicate=0.9, straggle=0.9)
    network.cut(1, 2)
    network.calm_down()
    network.send(0, [heartbeat(number) for number in range(20)])
    assert [message.commit for message in arrived(network, 1)] == list(range(20))


class RecordingSite:
    """A Site that writes down what is done to it."""

    def __init__(self) -> None:
        self.ids = [1, 2, 3]
        self.down: list[int] = []
        self.done: list[str] = []

    def find_leader(self):
        return 2

    def is_up(self, id):
        return id not in self.down

    def stop(self, id):
        self.down.append(id)
        self.done.append(f"stop {id}")

    def start(self, id):
        self.down.remove(id)
        self.done.append(f"start {id}")

    def crash_in_next_turn(self, id, point):
        self.done.append(f"crash {id} {point.name}")

    def pause(self, id, steps):
        self.done.append(f"pause {id} {steps}")

    def set_steps_per_tick(self, id, steps):
        self.done.append(f"clock {id} {steps}")

    def cut(self, sender, to):
        self.done.append(f"cut {sender} {to}")

    def heal(self):
        self.done.append("heal")

    def compact_log(self, id):
        self.done.append(f"compact {id}")


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_does_something_and_can_be_repeated(name):
    def run() -> list[str]:
        site = RecordingSite()
        FAULTS[name][1](site, Random(1), 2)
        return site.done

    assert run()
    assert run() == run()


def test_what_breaks_is_repaired_in_time():
    site = RecordingSite()
    faults = Faults(Random("faults"), FaultOptions(rate=0.3, max_steps=10))
    broken_since = None
    for now in range(500):
        said = faults.step(now, site)
        if said == "repair":
            assert site.down == []
            broken_since = None
        elif said is not None and broken_since is None:
            broken_since = now
        assert broken_since is None or now - broken_since <= 10
    assert faults.count > 50


def test_only_the_faults_that_are_named_happen():
    site = RecordingSite()
    faults = Faults(Random("faults"), FaultOptions(rate=1.0, max_steps=5, names=("pause",)))
    said = [faults.step(now, site) for now in range(50)]
    assert {line.split()[0] for line in said} == {"pause", "repair"}


def test_seeds_draw_different_weather_and_the_same_one_again():
    drawn = [draw_options(seed) for seed in range(20)]
    assert drawn == [draw_options(seed) for seed in range(20)]
    assert len({options.faults.names for options in drawn}) > 10
    assert draw_options(1, steps=7).steps == 7
