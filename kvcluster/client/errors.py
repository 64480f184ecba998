"""The one map from a gRPC status to an error of kvcluster.errors: by etcd's text first, by the code where the text is new.

etcd's clients do the same: the text is the identity of an error, the code only its class (api/v3rpc/rpctypes). The
way back, from error to status, is kvcluster/rpc/status.py.
"""

from __future__ import annotations

from kvcluster import errors
from kvcluster.errors import ConnectionLostError, EtcdError, KvClusterError

# gRPC status codes that mean something to a client (grpc/grpc: doc/statuscodes.md).
CANCELLED = 1
DEADLINE_EXCEEDED = 4
RESOURCE_EXHAUSTED = 8
INTERNAL = 13
UNIMPLEMENTED = 12
UNAVAILABLE = 14


class RpcError(EtcdError):
    """A refusal that has no name here (authentication, say); the text is the server's, `code` the gRPC code."""

    def __init__(self, text: str | None = None, *, code: int = 2) -> None:
        super().__init__(text)
        self.code = code


class UnavailableError(RpcError):
    """The server cannot answer just now, in words that have no name here. Reads are tried elsewhere."""


class ClientClosedError(errors.StoppedError):
    """The client was closed: whoever uses it goes on too long."""

    text = "the client is closed"


_CLASSES: tuple[type[EtcdError], ...] = (
    errors.EmptyKeyError,
    errors.KeyNotFoundError,
    errors.ValueProvidedError,
    errors.LeaseProvidedError,
    errors.TooManyOpsError,
    errors.DuplicateKeyError,
    errors.InvalidSortOptionError,
    errors.InvalidClientApiVersionError,
    errors.RequestTooLargeError,
    errors.CompactedError,
    errors.FutureRevisionError,
    errors.LeaseNotFoundError,
    errors.LeaseExistsError,
    errors.LeaseTtlTooLargeError,
    errors.NoSpaceError,
    errors.TooManyRequestsError,
    errors.NoLeaderError,
    errors.NotLeaderError,
    errors.BadLeaderTransfereeError,
    errors.LeaderTransferTimeoutError,
    errors.CorruptClusterError,
    errors.LeaderChangedError,
    errors.StoppedError,
    errors.RequestTimeoutError,
    errors.ProposalDroppedError,
    errors.MemberNotFoundError,
    errors.WatchCanceledError,
    errors.WatchRangeEmptyError,
    errors.UserEmptyError,
    errors.RoleEmptyError,
    errors.AuthFailedError,
    errors.PermissionNotGivenError,
    errors.InvalidAuthManagementError,
    errors.AuthOldRevisionError,
    errors.NoPasswordUserError,
    errors.RootUserNotExistError,
    errors.RootRoleNotExistError,
    errors.UserAlreadyExistsError,
    errors.UserNotFoundError,
    errors.RoleAlreadyExistsError,
    errors.RoleNotFoundError,
    errors.RoleNotGrantedError,
    errors.PermissionNotGrantedError,
    errors.AuthNotEnabledError,
    errors.PermissionDeniedError,
    errors.InvalidAuthTokenError,
    errors.InvalidDowngradeTargetVersionError,
    errors.WrongDowngradeVersionFormatError,
    errors.DowngradeInProcessError,
    errors.NoInflightDowngradeError,
    errors.UnknownMethodError,
    errors.InvalidMemberUrlsError,
    errors.MemberExistsError,
    errors.PeerUrlExistsError,
    errors.NotEnoughStartedMembersError,
    errors.UnhealthyClusterError,
    errors.TooManyLearnersError,
    errors.MemberNotLearnerError,
    errors.LearnerNotReadyError,
    errors.NotSupportedForLearnerError,
    errors.MembershipConflictError,
)
_BY_TEXT: dict[str, type[EtcdError]] = {cls.text: cls for cls in _CLASSES}

# etcd appends the likely reason: "…, possibly due to previous leader failure" and the like.
_TIMEOUT_PREFIX = errors.RequestTimeoutError.text + ","


def error_of(code: int, text: str) -> KvClusterError | TimeoutError:
    """The error that a non-zero gRPC status stands for."""
    named = _BY_TEXT.get(text)
    if named is not None:
        return named()
    if text.startswith(_TIMEOUT_PREFIX):
        return errors.RequestTimeoutError(text)
    if code == UNIMPLEMENTED:
        return errors.UnimplementedError(text)
    if code == DEADLINE_EXCEEDED:
        return TimeoutError(text)
    if code == RESOURCE_EXHAUSTED and "message larger than max" in text:  # the transport's own bound on a request
        return errors.RequestTooLargeError(text)
    if code == UNAVAILABLE:
        return UnavailableError(text, code=code)
    return RpcError(text, code=code)


def error_of_reason(reason: str, compact_revision: int) -> EtcdError:
    """The error that a cancelled watch carries: WatchResponse.compact_revision and cancel_reason."""
    if compact_revision or reason == errors.CompactedError.text:
        return errors.CompactedError(compact_revision=compact_revision)
    named = _BY_TEXT.get(reason)
    return named() if named is not None else errors.WatchCanceledError(reason or None)


_UNAVAILABLE = (
    UnavailableError,
    errors.NoLeaderError,
    errors.LeaderChangedError,
    errors.StoppedError,
    errors.RequestTimeoutError,
)
_NEVER_PROPOSED = (errors.NoLeaderError, errors.ProposalDroppedError)


def is_safe_to_repeat(error: BaseException, *, is_read: bool) -> bool:
    """Whether the same request may be sent again, to another endpoint.

    A read: whenever the server was unavailable (gRPC code 14) or the connection was lost. A write: only if it certainly
    did not happen: it was never sent, or the member said that it never entered the log. (clientv3/retry.go)
    """
    if isinstance(error, ConnectionLostError):
        return is_read or not error.maybe_done
    if isinstance(error, ClientClosedError):
        return False
    return isinstance(error, _UNAVAILABLE if is_read else _NEVER_PROPOSED)
