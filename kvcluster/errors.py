"""Everything that can go wrong in the store, by name, with etcd's texts.

An error here knows nothing of gRPC: the one map from error class to status code is kvcluster/rpc/status.py, and the
one map back, for the client, is kvcluster/client/errors.py. Clients of etcd compare texts, so `str(error)` is exactly
what etcd answers. A raised error leaves whatever raised it unchanged.

Texts: etcd 3.5, api/v3rpc/rpctypes.
"""

from __future__ import annotations


class KvClusterError(Exception):
    """The root of all errors that kvcluster raises on purpose."""

    text = ""

    def __init__(self, text: str | None = None) -> None:
        super().__init__(self.text if text is None else text)


class ConfigError(KvClusterError):
    """A flag, an argument or a file that cannot be used; the text names it and says what would be right."""


class EtcdError(KvClusterError):
    """An error that etcd's API knows; subclasses carry its exact text."""


class EmptyKeyError(EtcdError):
    text = "etcdserver: key is not provided"


class KeyNotFoundError(EtcdError):
    text = "etcdserver: key not found"


class ValueProvidedError(EtcdError):
    text = "etcdserver: value is provided"


class LeaseProvidedError(EtcdError):
    text = "etcdserver: lease is provided"


class TooManyOpsError(EtcdError):
    text = "etcdserver: too many operations in txn request"


class DuplicateKeyError(EtcdError):
    text = "etcdserver: duplicate key given in txn request"


class InvalidSortOptionError(EtcdError):
    text = "etcdserver: invalid sort option"


class InvalidClientApiVersionError(EtcdError):
    text = "etcdserver: invalid client api version"


class RequestTooLargeError(EtcdError):
    text = "etcdserver: request is too large"


class CompactedError(EtcdError):
    """The revision asked for is no longer kept. `compact_revision` is 0 where it is not known."""

    text = "etcdserver: mvcc: required revision has been compacted"

    def __init__(self, text: str | None = None, *, compact_revision: int = 0) -> None:
        super().__init__(text)
        self.compact_revision = compact_revision


class FutureRevisionError(EtcdError):
    text = "etcdserver: mvcc: required revision is a future revision"


class LeaseNotFoundError(EtcdError):
    text = "etcdserver: requested lease not found"


class LeaseExistsError(EtcdError):
    text = "etcdserver: lease already exists"


class LeaseTtlTooLargeError(EtcdError):
    text = "etcdserver: too large lease TTL"


class NoSpaceError(EtcdError):
    text = "etcdserver: mvcc: database space exceeded"


class TooManyRequestsError(EtcdError):
    text = "etcdserver: too many requests"


class NoLeaderError(EtcdError):
    text = "etcdserver: no leader"


class CorruptClusterError(EtcdError):
    text = "etcdserver: corrupt cluster"


class BadLeaderTransfereeError(EtcdError):
    text = "etcdserver: bad leader transferee"


class LeaderTransferTimeoutError(EtcdError):
    text = "etcdserver: request timed out, leader transfer took too long"


class NotLeaderError(EtcdError):
    text = "etcdserver: not leader"


class LeaderChangedError(EtcdError):
    text = "etcdserver: leader changed"


class StoppedError(EtcdError):
    text = "etcdserver: server stopped"


class RequestTimeoutError(EtcdError):
    text = "etcdserver: request timed out"


class ProposalDroppedError(EtcdError):
    text = "raft proposal dropped"


class MemberNotFoundError(EtcdError):
    text = "etcdserver: member not found"


class WatchCanceledError(EtcdError):
    text = "etcdserver: watch canceled"


class UserEmptyError(EtcdError):
    """Also: a request without a token, where one is needed."""

    text = "etcdserver: user name is empty"


class RoleEmptyError(EtcdError):
    text = "etcdserver: role name is empty"


class AuthFailedError(EtcdError):
    text = "etcdserver: authentication failed, invalid user ID or password"


class NoPasswordUserError(EtcdError):
    """A user who has no password, by option, tries one."""

    text = "auth: authentication failed, password was given for no password user"


class PermissionNotGivenError(EtcdError):
    text = "etcdserver: permission not given"


class InvalidAuthManagementError(EtcdError):
    text = "etcdserver: invalid auth management"


class AuthOldRevisionError(EtcdError):
    """Users, roles or permissions have changed since the token was given out."""

    text = "etcdserver: revision of auth store is old"


class RootUserNotExistError(EtcdError):
    text = "etcdserver: root user does not exist"


class RootRoleNotExistError(EtcdError):
    text = "etcdserver: root user does not have root role"


class UserAlreadyExistsError(EtcdError):
    text = "etcdserver: user name already exists"


class UserNotFoundError(EtcdError):
    text = "etcdserver: user name not found"


class RoleAlreadyExistsError(EtcdError):
    text = "etcdserver: role name already exists"


class RoleNotFoundError(EtcdError):
    text = "etcdserver: role name not found"


class RoleNotGrantedError(EtcdError):
    text = "etcdserver: role is not granted to the user"


class PermissionNotGrantedError(EtcdError):
    text = "etcdserver: permission is not granted to the role"


class AuthNotEnabledError(EtcdError):
    text = "etcdserver: authentication is not enabled"


class PermissionDeniedError(EtcdError):
    text = "etcdserver: permission denied"


class InvalidAuthTokenError(EtcdError):
    text = "etcdserver: invalid auth token"


class InvalidDowngradeTargetVersionError(EtcdError):
    text = "etcdserver: invalid downgrade target version"


class WrongDowngradeVersionFormatError(EtcdError):
    text = "etcdserver: wrong downgrade target version format"


class DowngradeInProcessError(EtcdError):
    text = "etcdserver: cluster has a downgrade job in progress"


class NoInflightDowngradeError(EtcdError):
    text = "etcdserver: no inflight downgrade job"


class UnknownMethodError(EtcdError):
    text = "etcdserver: unknown method"


class InvalidMemberUrlsError(EtcdError):
    text = "etcdserver: given member URLs are invalid"


class MemberExistsError(EtcdError):
    text = "etcdserver: member ID already exist"


class PeerUrlExistsError(EtcdError):
    text = "etcdserver: Peer URLs already exists"


class NotEnoughStartedMembersError(EtcdError):
    text = "etcdserver: re-configuration failed due to not enough started members"


class UnhealthyClusterError(EtcdError):
    text = "etcdserver: unhealthy cluster"


class TooManyLearnersError(EtcdError):
    text = "etcdserver: too many learner members in cluster"


class MemberNotLearnerError(EtcdError):
    text = "etcdserver: can only promote a learner member"


class LearnerNotReadyError(EtcdError):
    text = "etcdserver: can only promote a learner member which is in sync with leader"


class NotSupportedForLearnerError(EtcdError):
    text = "etcdserver: rpc not supported for learner"


class MembershipConflictError(EtcdError):
    """Another change of members came first; whoever asked for this one looks again. Never leaves the server."""

    text = "kvcluster: another change of members came first"


class MemberRemovedError(KvClusterError):
    """This member was removed from its cluster, so it stops."""

    text = "the member has been permanently removed from the cluster"


class UnimplementedError(EtcdError):
    """An RPC of the wire that this server does not have yet; the text names it."""


class WatchRangeEmptyError(EtcdError):
    """A watch of [key, range_end) with key >= range_end."""

    text = "mvcc: watcher range is empty"


class CorruptSnapshotError(KvClusterError):
    """Snapshot bytes that are not what they should be; the text says of what, and what is wrong."""


class ConnectionLostError(KvClusterError, ConnectionError):
    """Nobody answers: no endpoint could be reached, or the connection broke before the answer came.

    `maybe_done`: the request may have reached the server, so a write may or may not have happened.
    """

    text = "connection lost"

    def __init__(self, text: str | None = None, *, maybe_done: bool = False) -> None:
        super().__init__(text)
        self.maybe_done = maybe_done
