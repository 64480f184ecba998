"""The only map from a domain error to a gRPC status (etcd: rpctypes and v3rpc/util).

Clients match on the text as much as on the code, so the text is the error's own. Two of etcd's errors have a code in its table
that never reaches the wire: "too many requests" travels as UNKNOWN.
"""

from __future__ import annotations

from kvcluster import errors
from kvcluster.wire import codes

_CODES: dict[type[errors.EtcdError], int] = {
    errors.EmptyKeyError: codes.INVALID_ARGUMENT,
    errors.KeyNotFoundError: codes.INVALID_ARGUMENT,
    errors.ValueProvidedError: codes.INVALID_ARGUMENT,
    errors.LeaseProvidedError: codes.INVALID_ARGUMENT,
    errors.TooManyOpsError: codes.INVALID_ARGUMENT,
    errors.DuplicateKeyError: codes.INVALID_ARGUMENT,
    errors.InvalidSortOptionError: codes.INVALID_ARGUMENT,
    errors.InvalidClientApiVersionError: codes.INVALID_ARGUMENT,
    errors.RequestTooLargeError: codes.INVALID_ARGUMENT,
    errors.CompactedError: codes.OUT_OF_RANGE,
    errors.FutureRevisionError: codes.OUT_OF_RANGE,
    errors.LeaseTtlTooLargeError: codes.OUT_OF_RANGE,
    errors.NoSpaceError: codes.RESOURCE_EXHAUSTED,
    errors.TooManyRequestsError: codes.UNKNOWN,
    errors.LeaseNotFoundError: codes.NOT_FOUND,
    errors.MemberNotFoundError: codes.NOT_FOUND,
    errors.LeaseExistsError: codes.FAILED_PRECONDITION,
    errors.NotLeaderError: codes.FAILED_PRECONDITION,
    errors.BadLeaderTransfereeError: codes.FAILED_PRECONDITION,
    errors.CorruptClusterError: codes.DATA_LOSS,
    errors.NoLeaderError: codes.UNAVAILABLE,
    errors.LeaderChangedError: codes.UNAVAILABLE,
    errors.StoppedError: codes.UNAVAILABLE,
    errors.RequestTimeoutError: codes.UNAVAILABLE,
    errors.WatchCanceledError: codes.CANCELLED,
    errors.UnimplementedError: codes.UNIMPLEMENTED,
}


def status_of(error: errors.EtcdError) -> tuple[int, str]:
    """(gRPC code, text). An error without a row is UNKNOWN, as in etcd."""
    return _CODES.get(type(error), codes.UNKNOWN), str(error)
