"""The network between members of one process."""

from __future__ import annotations

import asyncio
from typing import Any

from kvcluster.peer import MemoryNetwork
from kvcluster.raft import Message, MessageType


def beat(sender: int, to: int, index: int = 0) -> Message:
    return Message(MessageType.HEARTBEAT, to, sender, 1, 0, index)


async def settle() -> None:
    """Everything that was handed over has arrived: delivery is a turn of the loop away."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_messages_arrive_later_and_in_order():
    network = MemoryNetwork()
    got: dict[int, list[Any]] = {1: [], 2: [], 3: []}
    links = {id: network.join(id, got[id].append) for id in got}
    sent = [beat(1, 2, index) for index in range(5)] + [beat(1, 3)]
    links[1].send(sent)
    assert got == {1: [], 2: [], 3: []}
    await settle()
    assert got == {1: [], 2: sent[:5], 3: sent[5:]}


async def test_a_cut_link_loses_messages_both_ways_even_those_under_way():
    network = MemoryNetwork()
    got: dict[int, list[Any]] = {1: [], 2: []}
    links = {id: network.join(id, got[id].append) for id in got}
    links[1].send([beat(1, 2)])
    network.cut(1, 2)
    links[2].send([beat(2, 1)])
    await settle()
    assert got == {1: [], 2: []}
    network.heal()
    links[1].send([beat(1, 2, 7)])
    await settle()
    assert got[2] == [beat(1, 2, 7)]


async def test_messages_to_nobody_are_lost():
    network = MemoryNetwork()
    got: list[Any] = []
    link = network.join(1, lambda message: None)
    network.join(2, got.append)
    link.send([beat(1, 2), beat(1, 9)])
    network.leave(2)
    await settle()
    assert got == []
