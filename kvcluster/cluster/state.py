"""The state folder of one cluster of processes: cluster.json (who runs where) and a log per member.

    free --claim--> starting (names the program that starts it) --write--> running (names the members) --clear--> free

It belongs to one cluster at a time: cluster.json is created exclusively, and while a process that it names lives, `claim`
is refused. Every process is named by its pid AND its start time, so a pid that another program has got
meanwhile is never taken for a member.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kvcluster.errors import KvClusterError


class ClusterError(KvClusterError):
    """The cluster cannot be started, found or ended; the text says what to do."""


class MemberProcess(NamedTuple):
    """One member's process, as cluster.json has it. started: a token of its start time, "" where the system has none."""

    name: str
    pid: int
    started: str
    client_url: str
    peer_url: str
    log: str


def default_state_dir() -> Path:
    """$XDG_STATE_HOME/kvcluster, or ~/.local/state/kvcluster."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "kvcluster"


class StateFolder:
    """The folder of one cluster: cluster.json and the logs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path / "cluster.json"

    def claim(self) -> None:
        """Makes the folder ours. Raises ClusterError while another cluster lives in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._claim_file()
        except OSError as cause:
            raise ClusterError(f"state folder {self.path}: {cause.strerror}") from cause

    def _claim_file(self) -> None:
        for _ in range(2):
            try:
                with self._file.open("x") as file:
                    json.dump({"starting": os.getpid(), "started": start_of(os.getpid()), "members": []}, file)
                return
            except FileExistsError:
                living = [member for member in self.members() if is_alive(member.pid, member.started)]
                if living:
                    pids = ", ".join(f"{member.name} pid {member.pid}" for member in living)
                    raise ClusterError(f"a cluster is running already ({pids}); end it with: kvcluster down") from None
                starter, started = self.starter()
                if starter and starter != os.getpid() and is_alive(starter, started):
                    raise ClusterError(f"a cluster is being started by pid {starter}") from None
                self._file.unlink(missing_ok=True)  # left over: nothing of it lives
        raise ClusterError(f"state folder {self.path}: another command is using it")

    def starter(self) -> tuple[int, str]:
        """pid and start time of the program that claimed the folder; 0 where it is free or its cluster runs."""
        state = self._read()
        return int(state.get("starting", 0)), str(state.get("started", ""))

    def _read(self) -> dict[str, Any]:
        try:
            state = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as cause:
            raise ClusterError(f"{self._file} cannot be read ({cause}); remove it if no cluster is running") from cause
        if not isinstance(state, dict):
            raise ClusterError(f"{self._file} is not a cluster's state; remove it if no cluster is running")
        return state

    def members(self) -> list[MemberProcess]:
        """Who is said to run; empty where there is no cluster. Raises ClusterError for a damaged file."""
        try:
            members = [MemberProcess(**row) for row in self._read().get("members", [])]
        except TypeError:
            members = None
        if members is None or not all(isinstance(member.pid, int) for member in members):
            raise ClusterError(f"{self._file} is not a cluster's state; remove it if no cluster is running")
        return members

    def write(self, members: Sequence[MemberProcess]) -> None:
        """Replaces cluster.json in one step: nobody reads half of it."""
        draft = self.path / "cluster.json.new"
        draft.write_text(json.dumps({"members": [member._asdict() for member in members]}, indent=2) + "\n")
        draft.replace(self._file)

    def clear(self) -> None:
        """Removes what a cluster left, and the folder if nothing else is in it."""
        for path in (*self.path.glob("*.log"), self.path / "cluster.json.new", self._file):
            path.unlink(missing_ok=True)
        try:
            self.path.rmdir()
        except OSError:
            pass  # somebody else's files, or no folder at all


def is_alive(pid: int, started: str) -> bool:
    """Whether the process with this pid and start time runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = start_of(pid)
    return now != "zombie" and (not started or not now or now == started)


def start_of(pid: int) -> str:
    """A process's start time as the system counts it, "zombie" for one that has ended, "" where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "zombie" if fields[0] in "ZX" else fields[19]
