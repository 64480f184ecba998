"""The shell: sockets around the pure member.

collector     Python's cyclic collector, kept away from records
driver        one Ready per turn of the event loop
listener, connections, http1, metrics    the client port
grpcio_transport    the same methods through grpc.aio, as a reference
server        all of it, from a configuration
"""

from kvcluster.rpc import SERVER_VERSION
from kvcluster.server.collector import Collector
from kvcluster.server.driver import Driver
from kvcluster.server.listener import ClientListener
from kvcluster.server.server import Server, build_member_config

__all__ = ["SERVER_VERSION", "ClientListener", "Collector", "Driver", "Server", "build_member_config"]
