"""`python -m kvcluster.sim`: many seeds, a line each; the first violation ends the run with exit status 1."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kvcluster.sim.simulation import Simulation, SimulationOptions
from kvcluster.sim.swarm import draw_options


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m kvcluster.sim",
        description="Runs whole clusters in virtual time, with faults, and checks what they promise.",
    )
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="run seeds S, S+1, … (default: 10 of them)")
    parser.add_argument("--seed", type=int, metavar="S", help="the first seed; alone: only this one")
    parser.add_argument("--steps", type=int, default=SimulationOptions.steps, help="with faults, before it gets well")
    parser.add_argument("--members", type=int, default=SimulationOptions.members)
    parser.add_argument("--trace", action="store_true", help="print everything that goes into the trace's hash")
    return parser


def run_seed(seed: int, arguments: argparse.Namespace) -> bool:
    """Runs and prints one seed; False for a violation."""
    options = draw_options(seed, members=arguments.members, steps=arguments.steps)
    simulation = Simulation(seed, options, trace=print if arguments.trace else None)
    try:
        print(simulation.run(), flush=True)
    except Exception as error:
        # Not only a Violation: an exception out of a member is a bug as well, and a seed repeats it as well.
        print(f"seed {seed}: step {simulation.now}: {type(error).__name__}: {error}", flush=True)
        flags = f"--seed {seed} --steps {arguments.steps} --members {arguments.members}"
        print(f"repeat with: python -m kvcluster.sim {flags} --trace", flush=True)
        return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.members < 1 or arguments.steps < 0 or arguments.seeds < 1:
        parser.error("members and seeds must be at least 1, steps at least 0")
    first = arguments.seed or 0
    count = 1 if arguments.seed is not None and "--seeds" not in (argv or sys.argv[1:]) else arguments.seeds
    return 0 if all(run_seed(seed, arguments) for seed in range(first, first + count)) else 1


if __name__ == "__main__":
    sys.exit(main())
