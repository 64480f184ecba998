"""grpc.health.v1: whether the server serves, for load balancers. As in etcd the server as a whole is the one service that is
known, under the empty name, and it serves as long as it answers."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.rpc.decoding import decode
from kvcluster.wire import SERVER_STREAM, UNARY, Method, ServiceCall, codes

SERVING = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING).SerializeToString()
SERVICE_UNKNOWN = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


def check(call: ServiceCall, payload: bytes) -> None:
    request = decode(pb.HealthCheckRequest, payload, call)
    if request is None:
        return
    if request.service:
        call.fail(codes.NOT_FOUND, "unknown service")
    else:
        call.reply(SERVING)


class WatchHealth:
    """The status once; it does not change while the stream lasts."""

    def __init__(self, call: ServiceCall) -> None:
        self._call = call

    def on_message(self, payload: bytes) -> None:
        request = decode(pb.HealthCheckRequest, payload, self._call)
        if request is not None:
            self._call.send(SERVICE_UNKNOWN if request.service else SERVING)

    def on_half_close(self) -> None: ...

    def on_cancel(self) -> None: ...

    def on_drain(self) -> None: ...


HEALTH_METHODS = {
    b"/grpc.health.v1.Health/Check": Method(UNARY, check),
    b"/grpc.health.v1.Health/Watch": Method(SERVER_STREAM, WatchHealth),
}
