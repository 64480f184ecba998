"""From the start of the processes to the first linearizable read that every member answers.

    python -m benchmarks.startup [PAIRS]

New clusters, ours and etcd 3.5.1 in turn; the elections are part of it. The prober asks each member over a socket of its own,
again and again, so it takes its share of the processors from both. Modules are compiled before, as those of an installed
package are.

etcd draws its election timeout, which is most of its time, between 0.1 and 1 s: a few pairs say little, so there are RUNS
times as many as asked for.
"""

from __future__ import annotations

import compileall
import platform
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.pairs import write
from benchmarks.servers import etcd_binary, member_flags, memory_folder, stop
from kvcluster import pb
from kvcluster.wire import ClientConnection, Outcome

MARK = 0.4
RUNS = 3
PATIENCE_S = 30.0
PAUSE_S = 0.002
NAMES = ("startup", "startup_3")
READ = pb.RangeRequest(key=b"x").SerializeToString()


def answers(port: int) -> bool:
    """Whether a linearizable read succeeds now."""
    outcomes: list[Outcome] = []
    connection = ClientConnection()
    connection.call_unary("/etcdserverpb.KV/Range", READ, outcomes.append)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as link:
            while not outcomes:
                if output := connection.take_output():
                    link.sendall(b"".join(output))
                data = link.recv(65536)
                if not data:
                    return False
                connection.receive(data)
    except OSError:
        return False
    return outcomes[0].ok


def start_ms(commands: list[list[str]], ports: list[int]) -> float:
    started = time.perf_counter()
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        for port in ports:
            while not answers(port):
                if time.perf_counter() - started > PATIENCE_S:
                    raise RuntimeError(f"no answer within {PATIENCE_S:.0f} s")
                time.sleep(PAUSE_S)
        return (time.perf_counter() - started) * 1e3
    finally:
        stop(processes)


def start_ours(members: int) -> float:
    ports, flags = member_flags(members)
    return start_ms([[sys.executable, "-m", "kvcluster", "serve", *each] for each in flags], ports)


def start_etcd(members: int) -> float:
    ports, flags = member_flags(members)
    with memory_folder() as folder:
        commands = [
            [etcd_binary(), "--data-dir", str(folder / str(number)), "--unsafe-no-fsync", "--log-level", "error", *each]
            for number, each in enumerate(flags)
        ]
        return start_ms(commands, ports)


def _measure(name: str, members: int, pairs: int) -> dict[str, Any]:
    rows = [(start_ours(members), start_etcd(members)) for _ in range(pairs)]
    ours, etcd = (round(statistics.median(row[n] for row in rows)) for n in (0, 1))
    ratio = statistics.median(row[0] / row[1] for row in rows)
    title = f"process start to the first answer, {members} member{'s' if members > 1 else ''}"
    summary = {
        "work": name, "title": title, "unit": "ms", "python": platform.python_version(), "pairs": pairs,
        "ours": ours, "etcd": etcd, "ratio": ratio, "ratios": [round(a / b, 3) for a, b in rows], "mark": MARK,
    }  # fmt: skip
    write(name, summary)
    print(f"{title}: ours {ours} ms, etcd {etcd} ms, ratio {ratio:.2f} (mark: at most {MARK})", flush=True)
    return summary


def main(pairs: int = 5) -> list[dict[str, Any]]:
    compileall.compile_dir(Path(pb.__file__).parent.parent, quiet=1)
    return [_measure(name, members, RUNS * pairs) for name, members in zip(NAMES, (1, 3), strict=True)]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
