"""Ports of the nodes, each given to one service: one record in the store says which are taken.

The record is Kubernetes' own, /registry/ranges/servicenodeports: a bit for each port of the range. Every server of the store
changes it by comparing its revision first, so no port is given twice, and giving a service all its ports is one write. A server
keeps the record as it last saw it; where another came first, it looks again.

What a server took and could not use, because it died, stays taken: a range has thousands of ports.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterable

import orjson

from apiserver.errors import StatusError, internal_error
from apiserver.storage import put_settled, read_settled
from kvcluster.client import Client

KEY = b"/registry/ranges/servicenodeports"
MAX_TRIES = 100

OUT_OF_RANGE = "provided port is not in the valid range. The range of valid ports is {0}-{1}"
TAKEN = "provided port is already allocated"

FindUsed = Callable[[], Awaitable[Iterable[int]]]
"""The ports of the services that exist; asked once in the life of a store."""


class PortTakenError(Exception):
    """A port that was asked for by number cannot be had; the text says why."""

    def __init__(self, port: int, why: str) -> None:
        super().__init__(why)
        self.port = port


class NodePorts:
    def __init__(self, kv: Client, ports: range, find_used: FindUsed) -> None:
        self._kv = kv
        self.ports = ports
        self._find_used = find_used
        self._bits = 0
        self._revision = -1  # not read yet; 0: there is no record

    def check_range(self, port: int) -> None:
        """Raises PortTakenError."""
        if port not in self.ports:
            raise PortTakenError(port, OUT_OF_RANGE.format(self.ports[0], self.ports[-1]))

    async def take(self, wanted: Iterable[int], count: int, seed: str) -> list[int]:
        """Takes the ports by number, and `count` more wherever there are some. -> those more. Raises PortTakenError, 500."""
        wanted = tuple(dict.fromkeys(wanted))
        for port in wanted:
            self.check_range(port)

        def change(bits: int) -> tuple[int, list[int]]:
            for port in wanted:
                if bits >> self._place(port) & 1:
                    raise PortTakenError(port, TAKEN)
                bits |= 1 << self._place(port)
            more = self._choose(bits, count, seed)
            for port in more:
                bits |= 1 << self._place(port)
            return bits, more

        return await self._change(change)

    async def check_free(self, wanted: Iterable[int]) -> None:
        """As `take`, but takes nothing (dry run)."""
        await self._read()
        for port in wanted:
            self.check_range(port)
            if self._bits >> self._place(port) & 1:
                raise PortTakenError(port, TAKEN)

    async def mark_taken(self, ports: Iterable[int]) -> None:
        """Ports that services hold already, whatever the record says."""
        mask = self._mask(ports)
        await self._change(lambda bits: (bits | mask, []))

    def _mask(self, ports: Iterable[int]) -> int:
        mask = 0
        for port in ports:
            if port in self.ports:
                mask |= 1 << self._place(port)
        return mask

    async def give_back(self, ports: Iterable[int]) -> None:
        mask = self._mask(ports)
        if mask:
            await self._change(lambda bits: (bits & ~mask, []))

    def _place(self, port: int) -> int:
        return port - self.ports[0]

    def _choose(self, bits: int, count: int, seed: str) -> list[int]:
        """Starts at a place that the seed picks, so that ports do not depend on the order of creation."""
        size = len(self.ports)
        start = zlib.crc32(seed.encode()) % size
        chosen: list[int] = []
        for step in range(size):
            if len(chosen) == count:
                break
            place = (start + step) % size
            if not bits >> place & 1:
                chosen.append(self.ports[place])
        if len(chosen) < count:
            raise internal_error("failed to allocate a nodePort: range is full")
        return chosen

    async def _change(self, change: Callable[[int], tuple[int, list[int]]]) -> list[int]:
        """`change` is asked anew with the newest record after each write that came in between."""
        if self._revision < 0:
            await self._read()
        for _ in range(MAX_TRIES):
            try:
                bits, more = change(self._bits)
            except (PortTakenError, StatusError):
                seen = self._revision
                await self._read()  # what is remembered may be old: only the store can say no
                if self._revision == seen:
                    raise
                continue
            if bits == self._bits:
                return more
            answer = await put_settled(self._kv, KEY, self._encode(bits), mod_revision=self._revision)
            if answer.succeeded:
                self._bits, self._revision = bits, answer.revision
                return more
            await self._read()
        raise internal_error("failed to allocate a nodePort: too many others allocate at the same time")

    async def _read(self) -> None:
        found = (await read_settled(lambda: self._kv.get(KEY))).kv
        if found is None:
            self._bits, self._revision = 0, 0
            for port in await self._find_used():
                if port in self.ports:
                    self._bits |= 1 << self._place(port)
            return
        self._bits, self._revision = _decode(found.value), found.mod_revision

    def _encode(self, bits: int) -> bytes:
        data = b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "big")).decode()
        record = {
            "kind": "RangeAllocation",
            "apiVersion": "v1",
            "metadata": {},
            "range": f"{self.ports[0]}-{self.ports[-1]}",
            "data": data,
        }
        return orjson.dumps(record)


def _decode(value: bytes) -> int:
    """A record that cannot be read says that nothing is taken: it is written anew with the next port."""
    try:
        return int.from_bytes(b64decode(orjson.loads(value).get("data") or ""), "big")
    except (ValueError, AttributeError):
        return 0
