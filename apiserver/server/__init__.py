"""The assembly: an API server on a store, and the transport for clients in the same process."""

from apiserver.server.identity import Credentials
from apiserver.server.in_process import InProcessTransport
from apiserver.server.server import ApiServer

__all__ = ["ApiServer", "Credentials", "InProcessTransport"]
