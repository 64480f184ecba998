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
    errors.UserEmptyError: codes.INVALID_ARGUMENT,
    errors.RoleEmptyError: codes.INVALID_ARGUMENT,
    errors.AuthFailedError: codes.INVALID_ARGUMENT,
    errors.PermissionNotGivenError: codes.INVALID_ARGUMENT,
    errors.InvalidAuthManagementError: codes.INVALID_ARGUMENT,
    errors.AuthOldRevisionError: codes.INVALID_ARGUMENT,
    errors.NoPasswordUserError: codes.UNKNOWN,
    errors.RootUserNotExistError: codes.FAILED_PRECONDITION,
    errors.RootRoleNotExistError: codes.FAILED_PRECONDITION,
    errors.UserAlreadyExistsError: codes.FAILED_PRECONDITION,
    errors.UserNotFoundError: codes.FAILED_PRECONDITION,
    errors.RoleAlreadyExistsError: codes.FAILED_PRECONDITION,
    errors.RoleNotFoundError: codes.FAILED_PRECONDITION,
    errors.RoleNotGrantedError: codes.FAILED_PRECONDITION,
    errors.PermissionNotGrantedError: codes.FAILED_PRECONDITION,
    errors.AuthNotEnabledError: codes.FAILED_PRECONDITION,
    errors.PermissionDeniedError: codes.PERMISSION_DENIED,
    errors.InvalidAuthTokenError: codes.UNAUTHENTICATED,
    errors.InvalidDowngradeTargetVersionError: codes.INVALID_ARGUMENT,
    errors.WrongDowngradeVersionFormatError: codes.INVALID_ARGUMENT,
    errors.DowngradeInProcessError: codes.FAILED_PRECONDITION,
    errors.NoInflightDowngradeError: codes.FAILED_PRECONDITION,
    errors.UnknownMethodError: codes.UNKNOWN,
    errors.InvalidMemberUrlsError: codes.INVALID_ARGUMENT,
    errors.MemberExistsError: codes.FAILED_PRECONDITION,
    errors.PeerUrlExistsError: codes.FAILED_PRECONDITION,
    errors.NotEnoughStartedMembersError: codes.UNKNOWN,
    errors.UnhealthyClusterError: codes.UNAVAILABLE,
    errors.TooManyLearnersError: codes.FAILED_PRECONDITION,
    errors.MemberNotLearnerError: codes.FAILED_PRECONDITION,
    errors.LearnerNotReadyError: codes.FAILED_PRECONDITION,
    errors.NotSupportedForLearnerError: codes.FAILED_PRECONDITION,
    errors.UnimplementedError: codes.UNIMPLEMENTED,
}


def status_of(error: errors.EtcdError) -> tuple[int, str]:
    """(gRPC code, text). An error without a row is UNKNOWN, as in etcd."""
    return _CODES.get(type(error), codes.UNKNOWN), str(error)
