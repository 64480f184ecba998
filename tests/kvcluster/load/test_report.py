"""Reports: what a person and what a script reads. The results are made here; a real one is in test_cli_bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kvcluster.errors import ConfigError
from kvcluster.load import Plan, build_result
from kvcluster.load.recorder import Recorder
from kvcluster.load.report import (
    ConditionError,
    build_csv,
    build_html,
    build_text,
    compare,
    compare_text,
    draw_png,
    encode_json,
    parse_condition,
    read_result,
)


def make_result(*, workload: str = "put", slowness: int = 1, errors: int = 0, interrupted: str | None = None) -> Any:
    """Three seconds of 1,000 operations of 1..1000 µs times `slowness`."""
    recorder = Recorder()
    for _ in range(3):
        for latency_us in range(1, 1001):
            recorder.count(latency_us * slowness)
        recorder.tick()
    for _ in range(errors):
        recorder.fail("etcdserver: too many requests (code 8)")
    share = {
        **recorder.share(),
        "unit": "puts", "begun_s": 10.0, "ended_s": 13.0, "cpu_s": 1.5, "cpu_share": 0.5 * slowness, "interrupted": None,
        "extra": {},
    }  # fmt: skip
    return build_result(
        Plan(workload=workload, total=3000),
        [share],
        servers=[{"pid": 42, "cpu_s": 0.03, "rss_mb": 1234.5}],
        interrupted=interrupted,
    ).to_json()


def test_what_scripts_rely_on_is_there():
    result = json.loads(encode_json(make_result()))
    assert result["workload"] == "put" and result["unit"] == "puts"
    assert result["throughput"] == 1000 and result["duration_s"] == 3 and result["errors"] == 0
    assert {"p50", "p90", "p99", "p99.9", "max"} <= set(result["latency_ms"])
    assert result["latency_ms"]["p50"] == pytest.approx(0.5, rel=0.01)
    assert result["servers"][0]["cpu_us_per_op"] == 10


def test_the_text_says_it_all():
    text = build_text(make_result(errors=7))
    for line in (
        "  Total:     3.0000 s, 3,000 puts",
        "  Puts/sec:  1,000.0",
        "  Fastest:   0.001 ms",
        "Response time histogram:",
        "  99% in 0.990 ms.",
        "Server 42: 0.03 s of CPU, 10.0 µs per operation, 1,234 MB resident",
        "  [7]\tetcdserver: too many requests (code 8)",
    ):
        assert line in text.splitlines(), text


def test_a_saturated_generator_is_said():
    assert "The generator is saturated" in build_text(make_result(slowness=2))
    assert "saturated" not in build_text(make_result())


def test_an_interrupted_run_says_so_first():
    text = build_text(make_result(interrupted="http://127.0.0.1:1: connection lost"))
    assert text.startswith("INTERRUPTED: http://127.0.0.1:1: connection lost\n")


def test_a_run_without_an_operation_is_a_report_too():
    result = build_result(Plan(workload="put"), [], interrupted="no answer for 3 s").to_json()
    assert "INTERRUPTED" in build_text(result)
    assert build_csv(result) == "workload,s,ops,errors,p50_ms,p99_ms,max_ms\n"
    assert "<svg" not in build_html(result)


def test_the_timeline_as_csv():
    lines = build_csv(make_result()).splitlines()
    assert lines[0] == "workload,s,ops,errors,p50_ms,p99_ms,max_ms" and len(lines) == 4
    assert lines[1] == "put,0,1000,0,0.5,0.99,1.0"


def test_the_page_stands_alone(tmp_path: Path):
    page = build_html(make_result(errors=2, interrupted="<b>gone</b>"))
    assert page.count("<svg") == 3
    assert "&lt;b&gt;gone&lt;/b&gt;" in page and "<b>gone</b>" not in page
    assert "<script" not in page and 'href="http' not in page and 'src="' not in page
    assert "prefers-color-scheme: dark" in page


def test_the_picture_is_a_png(tmp_path: Path):
    draw_png(make_result(), tmp_path / "plots.png")
    assert (tmp_path / "plots.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_two_results_compared():
    slow, fast = make_result(slowness=2), make_result()
    rows = {row.name: row for row in compare(slow, fast)}
    assert rows["p99_ms"].ratio == pytest.approx(0.5, rel=0.01) and rows["p99_ms"].verdict == "better"
    assert rows["throughput"].verdict == "same"
    assert rows["errors"].ratio == 1.0
    table = compare_text(slow, fast, "a.json", "b.json")
    assert table.splitlines()[0].split() == ["figure", "a.json", "b.json", "ratio"]
    assert "a.json: the generator was saturated." in table


@pytest.mark.parametrize(
    ("text", "holds"),
    [("p99_ms > 0.5", True), ("p99_ms>2", False), ("throughput < 5000", True), ("errors == 0", True),
     ("errors != 0", False), ("p99.9_ms >= 1e3", False), ("rss_mb <= 2000", True), ("lost > 0", True)],
)  # fmt: skip
def test_conditions(text: str, holds: bool):
    """A figure that the run does not have is a failure too: it cannot be said that all is well."""
    failure = parse_condition(text).failure(make_result())
    assert (failure is not None) == holds


@pytest.mark.parametrize("text", ["", "p99_ms", "p99_ms > fast", "speed > 3", "p99_ms >> 3", "1 < p99_ms"])
def test_conditions_that_say_nothing(text: str):
    with pytest.raises(ConditionError, match="--fail-if"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "not JSON"),
        ("[1]", "not a result"),
        ('{"workload": "put"}', "it has no throughput"),
        (None, "No such file"),
    ],
)
def test_files_that_are_no_results(tmp_path: Path, content: str | None, text: str):
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=text):
        read_result(path)
