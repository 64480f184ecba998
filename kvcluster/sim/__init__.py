"""The simulator: whole clusters in virtual time, under one seed, with everything going wrong.

    python -m kvcluster.sim --seeds 100
    python -m kvcluster.sim --seed 42 --trace

or from a test:

    report = Simulation(42, draw_options(42)).run()           # raises Violation

simulation.py tells how a step goes; network, faults and workload are what happens to the members, host is the machine a
member runs on, history and checkers are what is promised. A seed that finds a bug becomes a named test with its story.
"""

from kvcluster.sim.checkers import ElectionSafety, Kind, Linearizability, LogMatching, Operation, StateEquality
from kvcluster.sim.faults import FAULTS, CrashPoint, FaultOptions, Faults
from kvcluster.sim.history import Change, History, MemberStory
from kvcluster.sim.network import Network, NetworkOptions
from kvcluster.sim.simulation import Report, Simulation, SimulationOptions
from kvcluster.sim.swarm import draw_options
from kvcluster.sim.violation import Violation
from kvcluster.sim.workload import Workload, WorkloadOptions

__all__ = [
    "FAULTS",
    "Change",
    "CrashPoint",
    "ElectionSafety",
    "FaultOptions",
    "Faults",
    "History",
    "Kind",
    "Linearizability",
    "LogMatching",
    "MemberStory",
    "Network",
    "NetworkOptions",
    "Operation",
    "Report",
    "Simulation",
    "SimulationOptions",
    "StateEquality",
    "Violation",
    "Workload",
    "WorkloadOptions",
    "draw_options",
]
