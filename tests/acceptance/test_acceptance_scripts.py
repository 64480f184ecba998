"""scripts/*.txt, played by the real kubectl: 1.37 on each kind of store, 1.20 (Debian's) on one.

Scenarios share a cluster and have a namespace each; several run at once, as users would. On three members the leader of the
store is killed twice while they run, and nobody may notice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from apiserver.cluster import LocalCluster
from tests.acceptance.conftest import Kubectl, find_binary
from tests.acceptance.script import Scenario, Step, fits, load

HERE = Path(__file__).resolve().parent
SCENARIOS = load(HERE / "scripts")
AT_ONCE = 3
PATIENCE_S = 60.0
RETRY_S = 0.3

NEW = {name: scenario for name, scenario in SCENARIOS.items() if "only old" not in scenario.options}
OLD = {name: scenario for name, scenario in SCENARIOS.items() if {"old", "only old"} & set(scenario.options)}


class Progress:
    """How many commands have been played, for whoever wants to interfere in the middle."""

    def __init__(self) -> None:
        self._played = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    def step(self) -> None:
        self._played += 1
        for count, event in self._waiting:
            if self._played >= count:
                event.set()

    async def reached(self, count: int) -> None:
        event = asyncio.Event()
        self._waiting.append((count, event))
        await event.wait()


class Player:
    """One scenario's run. Raises AssertionError with the script's line and what was printed instead."""

    def __init__(self, kubectl: Kubectl, namespace: str, name: str, scenario: Scenario, progress: Progress) -> None:
        self._kubectl = kubectl
        self._progress = progress
        self._namespace = namespace
        self._name = name
        self._scenario = scenario
        self._background: list[asyncio.subprocess.Process] = []

    async def play(self) -> int:
        """-> how many commands it ran."""
        try:
            for step in self._scenario.steps:
                await self._play(step)
        finally:
            for process in self._background:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return sum(step.kind != "?" for step in self._scenario.steps)

    def _fill(self, text: str) -> str:
        return text.replace("{ns}", self._namespace).replace("{dir}", str(HERE / "manifests"))

    async def _play(self, step: Step) -> None:
        if step.kind == "?":
            await self._await_line(self._fill(step.arguments[0]))
            return
        arguments = [self._fill(argument) for argument in step.arguments]
        if not {"-n", "--namespace", "-A", "--all-namespaces", "--raw"} & set(arguments):
            arguments = ["-n", self._namespace, *arguments]
        stdin = None if step.stdin is None else self._fill(step.stdin)
        if step.kind == "&":
            self._background.append(await self._kubectl.start(*arguments))
            return
        loop = asyncio.get_running_loop()
        ends = loop.time() + PATIENCE_S
        self._progress.step()
        while True:
            output = await self._kubectl.run(*arguments, stdin=stdin)
            printed = output.out + output.err
            right_code = output.code == step.code if step.code is not None else output.code != 0
            if right_code and fits(self._fill(step.expected), printed):
                return
            if step.kind != "~" or loop.time() > ends:
                break
            await asyncio.sleep(RETRY_S)  # the pace of asking again, not a wait for something to happen
        said = f"kubectl {' '.join(step.arguments)}\n--- expected [{step.code}]\n{step.expected}\n--- printed [{output.code}]"
        raise AssertionError(f"{self._name}, line {step.line}: {said}\n{printed}")

    async def _await_line(self, text: str) -> None:
        stream = self._background[-1].stdout
        assert stream is not None
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            while line := (await stream.readline()).decode():
                seen.append(line)
                if text in line:
                    return
        raise AssertionError(f"{self._name}: no line with {text!r} in\n{''.join(seen)}")


async def play_all(kubectl: Kubectl, scenarios: dict[str, Scenario], progress: Progress | None = None) -> int:
    """Plays them, some at once. Every failure is reported, not only the first. -> commands run"""
    gate = asyncio.Semaphore(AT_ONCE)
    progress = progress or Progress()

    async def one(number: int, name: str, scenario: Scenario) -> int:
        async with gate:
            namespace = f"s{number}"
            await kubectl("create", "namespace", namespace)
            return await Player(kubectl, namespace, name, scenario, progress).play()

    results = await asyncio.gather(
        *(one(number, name, scenario) for number, (name, scenario) in enumerate(scenarios.items())),
        return_exceptions=True,
    )
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise AssertionError(
            f"{len(failures)} of {len(results)} scenarios failed:\n\n" + "\n\n".join(map(str, failures))
        )
    return sum(result for result in results if isinstance(result, int))


def chosen(scenarios: dict[str, Scenario]) -> dict[str, Scenario]:
    """KUBECTL_SCENARIO=part of a name: only those. For working on one."""
    part = os.environ.get("KUBECTL_SCENARIO", "")
    return {name: scenario for name, scenario in scenarios.items() if part in name}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", ["one", "etcd"])
async def test_kubectl_plays_every_scenario(open_cluster, tmp_path, store):
    async with open_cluster(store, nodes=3) as cluster:
        commands = await play_all(Kubectl(tmp_path, cluster.url), chosen(NEW))
    assert commands >= 120 or chosen(NEW) != NEW


@pytest.mark.timeout(400)
async def test_kubectl_does_not_notice_that_the_leader_is_killed_twice(open_cluster, tmp_path):
    async with open_cluster("three", nodes=3) as cluster:
        progress = Progress()
        async with asyncio.TaskGroup() as group:
            group.create_task(play_all(Kubectl(tmp_path, cluster.url), chosen(NEW), progress))
            for count in (30, 60):
                await progress.reached(count)
                await kill_leader(cluster)


async def kill_leader(cluster: LocalCluster) -> None:
    """Stops the store's leader, and starts it again when another leads."""
    store = cluster.store
    leader = await store.wait_leader()
    await store.stop_member(leader)
    await store.wait_leader(other_than=leader)
    await store.restart_member(leader)


@pytest.mark.timeout(300)
async def test_kubectl_1_20_plays_the_core(open_cluster, tmp_path):
    if (
        shutil.which("kubectl-1.20", path=f"{Path(find_binary('kubectl')).parent}{os.pathsep}{os.environ['PATH']}")
        is None
    ):
        pytest.skip("kubectl-1.20 is not there: Debian's package kubernetes-client has it (.ci/run fetches it)")
    async with open_cluster("one", nodes=3) as cluster:
        commands = await play_all(Kubectl(tmp_path, cluster.url, binary="kubectl-1.20"), chosen(OLD))
    assert commands >= 40 or chosen(OLD) != OLD
