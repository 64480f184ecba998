"""Downgrade: whether the cluster could go one minor version back, and the note that it is to (etcd.md 2.11).

What members of a real cluster do with the note, writing older data, means nothing to a store in memory. So the note is kept,
shown in Status and taken back, and nothing else happens.
"""

from __future__ import annotations

import re

from kvcluster import pb
from kvcluster.errors import (
    DowngradeInProcessError,
    EtcdError,
    InvalidDowngradeTargetVersionError,
    NoInflightDowngradeError,
    UnknownMethodError,
    WrongDowngradeVersionFormatError,
)
from kvcluster.member import Applied, Member, ops
from kvcluster.rpc.decoding import decode_unary
from kvcluster.rpc.status import status_of
from kvcluster.rpc.version import CLUSTER_VERSION
from kvcluster.wire import ServiceCall

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+)(?:[-+][0-9A-Za-z.+-]+)?)?")


def check_target(text: str) -> str:
    """ "3.5" → "3.5.0". Raises WrongDowngradeVersionFormatError, InvalidDowngradeTargetVersionError."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise WrongDowngradeVersionFormatError
    major, minor = int(match[1]), int(match[2])
    own_major, own_minor, _ = map(int, CLUSTER_VERSION.split("."))
    if (major, minor) != (own_major, own_minor - 1):
        raise InvalidDowngradeTargetVersionError
    return f"{major}.{minor}.{match[3] or 0}"


class DowngradeHandler:
    """The RPC as a callable."""

    __slots__ = ("_member",)

    def __init__(self, member: Member) -> None:
        self._member = member

    def __call__(self, call: ServiceCall, payload: bytes) -> None:
        request = decode_unary(pb.DowngradeRequest, payload, call, self._member)
        if request is not None:
            self._member.read_barrier(lambda error: self._handle(call, request, error))

    def _handle(self, call: ServiceCall, request: pb.DowngradeRequest, error: EtcdError | None) -> None:
        member = self._member
        target = member.applier.state.downgrade_target
        try:
            if error is not None:
                raise error
            wanted = self._wanted(request, target)
        except EtcdError as refusal:
            call.fail(*status_of(refusal))
            return
        if wanted is None:
            self._answer(call, Applied(member.store.revision))
        else:
            payload = pb.DowngradeRequest(action=request.action, version=wanted).SerializeToString()
            member.propose(ops.DOWNGRADE, payload, lambda applied: self._answer(call, applied))

    def _wanted(self, request: pb.DowngradeRequest, target: str) -> str | None:
        """The target to be noted, "" for none; None: nothing changes."""
        match request.action:
            case pb.DowngradeRequest.VALIDATE | pb.DowngradeRequest.ENABLE:
                wanted = check_target(request.version)
                if target:
                    raise DowngradeInProcessError
                return wanted if request.action == pb.DowngradeRequest.ENABLE else None
            case pb.DowngradeRequest.CANCEL:
                if not target:
                    raise NoInflightDowngradeError
                return ""
            case _:
                raise UnknownMethodError

    def _answer(self, call: ServiceCall, applied: Applied) -> None:
        if applied.error is None:
            body = pb.DowngradeResponse(version=CLUSTER_VERSION).SerializeToString()
            call.reply(self._member.header(applied.revision), body)
        else:
            call.fail(*status_of(applied.error))
