"""Swarm testing: every seed draws its own kind of weather, not only its own dice.

A run in which everything happens a little never sees what needs much of one thing and nothing of another (Groce et al.,
"Swarm Testing", 2012): a vote is given twice only where members restart in the middle of elections, a log is only
compacted under a member that was away for long. So each seed leaves out about a third of the faults, and draws how
often, how long, how lossy, how busy.
"""

from __future__ import annotations

from random import Random

from kvcluster.sim.faults import FAULTS, FaultOptions
from kvcluster.sim.network import NetworkOptions
from kvcluster.sim.simulation import SimulationOptions
from kvcluster.sim.workload import WorkloadOptions


def draw_options(seed: int, *, members: int = 3, steps: int = SimulationOptions.steps) -> SimulationOptions:
    """The options of a seed; the same seed draws the same."""
    random = Random(f"{seed} swarm")
    names = [name for name in FAULTS if random.random() < 0.67]
    # Repairs keep pace with faults: broken for about a fifth to a half of the time, or nothing would get done.
    rate = random.choice([0.003, 0.01, 0.03, 0.06])
    max_steps = int(random.choice([0.5, 1.0, 2.0]) / rate)
    return SimulationOptions(
        members=members,
        steps=steps,
        election_ticks=random.choice([3, 5, 10]),
        snapshot_entries=random.choice([5, 40, 200]),
        catch_up_entries=random.choice([1, 10, 50]),
        network=NetworkOptions(
            drop=random.choice([0.0, 0.02, 0.05, 0.2]),
            duplicate=random.choice([0.0, 0.03, 0.2]),
            straggle=random.choice([0.0, 0.05, 0.2]),
            max_delay_steps=random.choice([1, 3, 8]),
            max_straggle_steps=random.choice([20, 60, 200]),
        ),
        faults=FaultOptions(
            rate=rate,
            max_steps=max_steps,
            names=tuple(names or FAULTS),
        ),
        workload=WorkloadOptions(
            clients=random.choice([2, 5, 10]),
            registers=random.choice([1, 3, 10]),
            call=random.choice([0.1, 0.5, 1.0]),
        ),
    )
