"""Which addresses a fleet's nodes and pods have.

Node i has the i-th /24 of POD_NETWORK for its pods and the i-th address of NODE_NETWORK for itself. A pod gets the next
free address of its node's network, going round, so that an address is not used again at once. Nothing is routed: the
addresses are only unique.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network

POD_NETWORK = IPv4Network("10.128.0.0/9")
NODE_NETWORK = IPv4Network("172.16.0.0/12")
MAX_NODES = 2 ** (24 - POD_NETWORK.prefixlen)


class AddressesExhaustedError(Exception):
    """Every address of a node's pod network is taken."""


def pod_network(index: int) -> str:
    """The CIDR of node `index`. Raises ValueError beyond MAX_NODES."""
    if not 0 <= index < MAX_NODES:
        raise ValueError(f"a fleet has at most {MAX_NODES} nodes")
    return str(IPv4Network((int(POD_NETWORK.network_address) + (index << 8), 24)))


def node_address(index: int) -> str:
    return str(NODE_NETWORK.network_address + index + 2)


class PodAddresses:
    """The addresses of one node's pods, by pod uid."""

    def __init__(self, cidr: str) -> None:
        network = ip_network(cidr)
        # Without the network's own address, the bridge's (the first) and the broadcast address.
        self._first = int(network.network_address) + 2
        self._count = max(network.num_addresses - 3, 0)
        self._next = 0
        self._by_uid: dict[str, str] = {}
        self._taken: set[str] = set()

    def take(self, uid: str) -> str:
        """The pod's address: the one it has, or the next free one. Raises AddressesExhaustedError."""
        known = self._by_uid.get(uid)
        if known is not None:
            return known
        for _ in range(self._count):
            address = str(IPv4Address(self._first + self._next))
            self._next = (self._next + 1) % self._count
            if address not in self._taken:
                self.adopt(uid, address)
                return address
        raise AddressesExhaustedError("every pod address of the node is taken")

    def adopt(self, uid: str, address: str) -> None:
        """Notes an address that the pod has already, from before the fleet was started."""
        self._by_uid[uid] = address
        self._taken.add(address)

    def release(self, uid: str) -> None:
        address = self._by_uid.pop(uid, None)
        if address is not None:
            self._taken.discard(address)
