"""`kvcluster bench WORKLOAD` and `kvcluster bench compare`: the flags of the load tester.

Each workload shows the flags that mean something to it; names are those of etcd's `benchmark` where they mean the same. Nothing
of the load tester is imported before a run begins: `kvcluster serve` must start fast.

Exit codes: 0; 1 a run that was interrupted, that had nothing but errors, or where --fail-if holds; 2 flags that cannot be used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kvcluster.cli.running import fail, run_command
from kvcluster.errors import ConfigError, KvClusterError

bench = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Load-test any etcd v3, or the watches of any API server."
)

Flag = tuple[Any, Any, str]
"""(type, default, help); the flag is the name of the plan's field unless FLAG_NAMES says otherwise."""

FLAG_NAMES = {"duration_s": "--duration", "warm_up_s": "--warm-up", "timeout_s": "--timeout"}

COMMON: dict[str, Flag] = {
    "endpoints": (str, "http://127.0.0.1:2379", "Servers, with commas; connections are spread over them."),
    "workers": (int, 1, "Processes that make the load."),
    "seed": (int, 1, "The same seed asks for the same keys."),
    "timeout_s": (float, 30.0, "Seconds without any answer until the run is given up."),
}
ETCD: dict[str, Flag] = {
    "conns": (int, 1, "Connections."),
    "prefix": (str, "bench/", "Everything is written below it."),
    "key_size": (int, 16, "Bytes of a key."),
    "val_size": (int, 256, "Bytes of a value."),
}
TIMED: dict[str, Flag] = {
    "clients": (int, 1, "Callers, each with one request under way (closed loop)."),
    "total": (int, 0, "Operations to be measured. Default: by time."),
    "duration_s": (float, 0.0, "Seconds to be measured. Default: 10, where --total does not end it."),
    "rate": (
        float,
        0.0,
        "Operations a second, whatever the answers do (open loop); latency counts from when one was due.",
    ),
    "warm_up_s": (float, 1.0, "Seconds that come first and do not count."),
}
KEYS: dict[str, Flag] = {
    "key_space_size": (int, 1000, "Different keys."),
    "sequential_keys": (bool, False, "One key after the other instead of drawn ones."),
}
RANGES: dict[str, Flag] = {
    "consistency": (str, "l", "l: linearizable, s: serializable."),
    "range_keys": (int, 0, "Keys that a prefix range returns; 0: ranges of one key."),
    "range_limit": (int, 0, "At most so many keys in an answer; 0: all."),
}
WRITER: dict[str, Flag] = {
    "clients": (int, 1, "Callers that write."),
    "put_total": (int, 1000, "Writes."),
    "put_rate": (float, 0.0, "Writes a second, whatever the answers do; 0: as fast as the callers can."),
    "duration_s": (float, 0.0, "Seconds of writing; 0: until --put-total."),
    "warm_up_s": (float, 1.0, "Seconds of writing that come first and do not count, once all was delivered."),
}
STREAMS: dict[str, Flag] = {"streams": (int, 10, "Watch streams.")}
WATCHES: dict[str, Flag] = {
    "watch_per_stream": (int, 10, "Watchers on each stream."),
    "watched": (str, "prefix", "What each watches: prefix, key or overlapping (ranges)."),
    "watched_keys": (int, 1000, "Different keys that are written."),
    "prev_kv": (bool, False, "Ask for the value before, too."),
    "progress_notify": (bool, False, "Ask for progress notifications."),
}
KUBE: dict[str, Flag] = {
    "resource": (str, "configmaps", "What is listed, watched and written."),
    "namespace": (str, "bench", "Where; it is made if it is not there."),
    "objects": (int, 100, "Objects that are written, again and again."),
    "informers": (int, 10, "Lists that go on as watches."),
    "val_size": (int, 256, "Bytes of padding in each object."),
    "token_file": (str, "", "A file with a bearer token."),
    "ca_file": (str, "", "A file with the certificates to trust, for https endpoints."),
}
_UNARY = {**COMMON, **ETCD, **TIMED}
WORKLOADS: dict[str, tuple[str, dict[str, Flag]]] = {
    "put": ("Put values.", {**_UNARY, **KEYS}),
    "range": ("Read one key, or a prefix.", {**_UNARY, **KEYS, **RANGES}),
    "txn": (
        "Transactions: create new keys, or compare and swap.",
        {**_UNARY, **KEYS, "mode": (str, "create", "create or cas.")},
    ),
    "mixed": (
        "Reads and writes.",
        {**_UNARY, **KEYS, **RANGES, "read_ratio": (float, 0.5, "The share of reads, from 0 to 1.")},
    ),
    "watch": ("Watchers, and a writer: events delivered.", {**COMMON, **ETCD, **WRITER, **STREAMS, **WATCHES}),
    "watch-latency": ("From a put to its delivery.", {**COMMON, **ETCD, **WRITER, **STREAMS}),
    "lease": ("Keep leases alive.", {**_UNARY, "leases": (int, 100, "Leases.")}),
    "kube-watch": ("Informers of an API server, and a writer.", {**COMMON, **WRITER, **KUBE}),
}

OutputFile = Path | None
OUTPUT: dict[str, tuple[Any, Any, tuple[str, ...], str]] = {
    "server_pid": (
        list[int],
        [],
        ("--server-pid",),
        "A server's process on this machine: its CPU and memory are reported.",
    ),
    "json_file": (OutputFile, None, ("--json",), "Write the result as JSON."),
    "csv_file": (OutputFile, None, ("--csv",), "Write the timeline as CSV."),
    "html_file": (OutputFile, None, ("--html",), "Write one page with plots (extra: plots)."),
    "png_file": (OutputFile, None, ("--png",), "Write the plots as a picture (extra: plots)."),
    "fail_if": (list[str], [], ("--fail-if",), "Exit code 1 if it holds, as in 'p99_ms > 20'. May be repeated."),
    "dask": (str, "", ("--dask",), "The scheduler of a Dask cluster that runs the workers (extra: dask)."),
    "no_progress": (bool, False, ("--no-progress",), "Say nothing while it runs."),
}


def _parameters(fields: Mapping[str, Flag]) -> list[inspect.Parameter]:
    found = []
    for name, (kind, default, text) in fields.items():
        flag = FLAG_NAMES.get(name, "--" + name.replace("_", "-"))
        found.append((name, Annotated[kind, typer.Option(flag, help=text)], default))
    for name, (kind, default, flags, text) in OUTPUT.items():
        found.append((name, Annotated[kind, typer.Option(*flags, help=text)], default))
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in found
    ]


def _make_command(workload: str, text: str, fields: Mapping[str, Flag]) -> Callable[..., None]:
    """A function with the signature that typer is to see: typer reads flags off signatures."""

    def command(**values: Any) -> None:
        raise typer.Exit(run_bench(workload, values))

    parameters = _parameters(fields)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = text
    return command


for _name, (_text, _fields) in WORKLOADS.items():
    bench.command(_name)(_make_command(_name, _text, _fields))


@bench.command("compare")
def compare_command(
    a: Annotated[Path, typer.Argument(help="What --json wrote: the base.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Print the ratio b / a of every figure that both have."""
    from kvcluster.load.report import compare_text, read_result

    try:
        first, second = read_result(a), read_result(b)
    except ConfigError as error:
        raise typer.Exit(fail(str(error), 2)) from None
    typer.echo(compare_text(first, second, a.name, b.name), nl=False)


def run_bench(workload: str, values: dict[str, Any]) -> int:
    """The exit code of a run. values: of the plan's fields, and of OUTPUT."""
    from kvcluster.load import Plan
    from kvcluster.load.report import parse_condition

    output = {name: values.pop(name) for name in OUTPUT}
    try:
        conditions = [parse_condition(text) for text in output["fail_if"]]
        endpoints = [part.strip() for part in values.pop("endpoints").split(",") if part.strip()]
        clock = "time" if output["dask"] else "perf_counter"
        plan = Plan(
            workload=workload, endpoints=endpoints, server_pids=list(output["server_pid"] or ()), clock=clock, **values
        )
        _check_files(output)
    except ConfigError as error:
        return fail(str(error), 2)

    def judge(result: Any) -> int:
        code = _write(result.to_json(), output)
        failures = [failure for condition in conditions if (failure := condition.failure(result.to_json()))]
        for failure in failures:
            code = fail(failure, 1)
        return 1 if result.interrupted or (result.errors and not result.operations) else code

    return _run(plan, output, judge)


def _check_files(output: Mapping[str, Any]) -> None:
    """Before the run and not after it: can what was asked for be written?"""
    for name in ("json_file", "csv_file", "html_file", "png_file"):
        path = output[name]
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"{path}: there is no folder {path.absolute().parent}")
    if output["html_file"] or output["png_file"]:
        from kvcluster.load.report import check_plots

        check_plots()


def _run(plan: Any, output: Mapping[str, Any], judge: Callable[[Any], int]) -> int:
    """plan: a load.Plan; judge: what becomes of the load.Result."""
    from kvcluster.load import follow, run_on_dask, run_plan

    async def run() -> int:
        with follow(plan, quiet=output["no_progress"]) as on_progress:
            if output["dask"]:
                result = await run_on_dask(plan, output["dask"], on_progress)
            else:
                result = await run_plan(plan, on_progress)
        return judge(result)

    return run_command(run, KvClusterError, OSError)


def _write(result: dict[str, Any], output: Mapping[str, Any]) -> int:
    """The text to stdout, and the files that were asked for."""
    from kvcluster.load.report import build_csv, build_html, build_text, draw_png, encode_json

    typer.echo(build_text(result), nl=False)
    try:
        if output["json_file"]:
            output["json_file"].write_text(encode_json(result))
        if output["csv_file"]:
            output["csv_file"].write_text(build_csv(result))
        if output["html_file"]:
            output["html_file"].write_text(build_html(result))
        if output["png_file"]:
            draw_png(result, output["png_file"])
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}", 1)
    return 0
