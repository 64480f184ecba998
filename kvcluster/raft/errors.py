"""What the consensus machine raises. None of these changes the machine.

The package is extractable, so it has its own small tree and knows nothing of kvcluster.errors; the member translates.
"""

from __future__ import annotations


class RaftError(Exception):
    """The root of everything that kvcluster.raft raises on purpose, but ValueError for arguments and bytes."""


class ProposalDropped(RaftError):
    """The proposal was not appended and will never be committed: no leader, a transfer under way, or the bound is full."""


class StepRejected(RaftError):
    """A message that no correct member sends to this one; the text says why."""


class LogCompacted(RaftError):
    """The entry asked for is at or below the compacted index: only the snapshot has it."""


class LogUnavailable(RaftError):
    """The entry asked for is above the last index."""


class SnapshotUnavailable(RaftError):
    """The storage has no snapshot to hand out now; the machine asks again later."""
