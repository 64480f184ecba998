"""Runs the suites against ours and against etcd, and writes the table of docs/compatibility.md. `make conformance`

    python -m tests.conformance.run                      # all, both servers, the table
    python -m tests.conformance.run --only etcd3 --server ours --pytest='-k watch -x'

Each suite gets fresh members, in namespaces of its own where the system allows. It fails if a test that passes on etcd does not
pass on ours, unless the suite's row gives a reason. A test that fails is run once more, alone, against fresh members: other
people's tests wait for fixed times, and a loaded machine is no difference between servers. What passed only then is listed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conformance import fetch, outcomes, report, servers
from tests.conformance.suites import SUITES, Suite

SUITE_S = 900.0
TEST_S = 60
"""Of one test; some of the suites have tests that hang, on etcd too."""
INSIDE = "--inside"


def command_of(suite: Suite, urls: list[str], junit: Path, extra: list[str]) -> tuple[list[str], dict[str, str]]:
    """(command, environment) of one run of a suite in its folder."""
    values = {"url": urls[0], "urls": ",".join(urls)}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # etcdctl
        "CONFORMANCE_URLS": values["urls"],
        **{name: value.format(**values) for name, value in suite.environment},
    }
    if suite.source == "npm":
        environment["NODE_PATH"] = str(fetch.folder_of(suite) / "node_modules")
        return [
            "node",
            "--test",
            "--test-reporter=junit",
            f"--test-reporter-destination={junit}",
            *suite.tests,
        ], environment
    plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", *(("-p", suite.plugin) if suite.plugin else ())]
    environment["PYTHONPATH"] = str(fetch.SMOKE)
    python = str(fetch.python_of(suite))
    plugins += fetch.pytest_settings(suite)
    return [
        python,
        "-m",
        "pytest",
        "-q",
        f"--timeout={TEST_S}",
        *plugins,
        f"--junitxml={junit}",
        *suite.tests,
        *extra,
    ], environment


def run_inside(suite: Suite, kind: str, junit: Path, extra: list[str]) -> None:
    """In the namespace: members up, the suite, members down. Raises RuntimeError if the members do not come up."""
    servers.raise_loopback()
    folder = junit.parent
    with servers.serving(kind, suite.members, folder) as urls, servers.etcdctl_at(suite.etcdctl_path):
        command, environment = command_of(suite, urls, junit, extra)
        with (folder / f"{junit.stem}.log").open("w") as log:
            try:
                subprocess.run(
                    command, cwd=fetch.work_folder(suite), env=environment, stdout=log, stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL, timeout=SUITE_S, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                print(f"{suite.name} on {kind} did not end within {SUITE_S:.0f} s", file=sys.stderr)


def run_once(suite: Suite, kind: str, name: str, extra: list[str]) -> dict[str, outcomes.Outcome]:
    """Outcome of each test of a run in a fresh namespace."""
    folder = fetch.folder_of(suite) / "runs"
    folder.mkdir(exist_ok=True)
    junit = folder / f"{name}.xml"
    junit.unlink(missing_ok=True)
    inside = [sys.executable, "-m", "tests.conformance.run", INSIDE, suite.key, kind, str(junit), *extra]
    subprocess.run([*servers.namespace_prefix(), *inside], cwd=fetch.ROOT, check=False)
    return outcomes.read(junit)


def run_suite(suite: Suite, kind: str, extra: list[str]) -> outcomes.Run:
    found = run_once(suite, kind, kind, extra)
    failed = [test for test, outcome in found.items() if outcome.word == "failed"]
    again: dict[str, outcomes.Outcome] = {}
    known = dict(suite.etcd_fails) | (dict(suite.reasons) if kind == "ours" else {})
    if suite.source != "npm":
        for number, test in enumerate([test for test in failed if test.split("::")[-1] not in known][:10]):
            again |= run_once(suite, kind, f"{kind}-again-{number}", [*extra, "-k", test.split("::")[-1].split("[")[0]])
    return outcomes.Run(kind, found | {test: again[test] for test in failed if test in again}, tuple(
        test for test in failed if test in again and again[test].word == "passed"
    ))  # fmt: skip


def main(arguments: list[str]) -> int:
    if arguments[:1] == [INSIDE]:
        _, key, kind, junit, *extra = arguments
        run_inside(next(suite for suite in SUITES if suite.key == key), kind, Path(junit), extra)
        return 0
    parser = argparse.ArgumentParser(description="Run published suites of etcd clients against ours and against etcd.")
    parser.add_argument("--only", action="append", help="name of a suite; can be given several times")
    parser.add_argument("--server", choices=servers.KINDS, action="append", help="default: both")
    parser.add_argument("--pytest", default="", help="further arguments for pytest, as one text")
    options = parser.parse_args(arguments)
    chosen = [suite for suite in SUITES if not options.only or suite.name in options.only or suite.key in options.only]
    unknown = set(options.only or ()) - {suite.name for suite in SUITES} - {suite.key for suite in SUITES}
    if unknown:
        parser.error(f"no suite {sorted(unknown)}; there are: {', '.join(suite.name for suite in SUITES)}")
    kinds = options.server or list(servers.KINDS)
    results: list[report.Row] = []
    for suite in chosen:
        try:
            fetch.fetch(suite)
        except fetch.NotFetched as error:
            print(f"{suite.name}: not run: {error}", flush=True)
            results.append(report.Row(suite, {}, str(error)))
            continue
        runs = {kind: run_suite(suite, kind, shlex.split(options.pytest)) for kind in kinds}
        results.append(report.Row(suite, runs, ""))
        print(report.line(results[-1]), flush=True)
    if not options.only and not options.server and not options.pytest:
        report.write(results)
    return 1 if any(report.unexplained(row) for row in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
