"""When automatic compaction is due: etcd's two modes."""

from __future__ import annotations

import pytest

from kvcluster.cluster import build_compactor
from kvcluster.config import parse_duration
from kvcluster.errors import ConfigError


def test_revision_mode_keeps_the_last_revisions():
    compactor = build_compactor("revision", "1000")
    assert compactor is not None and compactor.interval_s == 300
    assert compactor.due(0, 900) is None
    assert compactor.due(300, 1500) == 500
    assert compactor.due(600, 1500) is None, "nothing new"
    assert compactor.due(900, 1501) == 501


def test_periodic_mode_keeps_the_last_period():
    compactor = build_compactor("periodic", "10m")
    assert compactor is not None and compactor.interval_s == 60
    due = [compactor.due(60.0 * minute, 100 + minute) for minute in range(14)]
    assert due == [None] * 10 + [100, 101, 102, 103]


def test_a_member_that_does_not_lead_forgets():
    compactor = build_compactor("periodic", "10m")
    assert compactor is not None
    compactor.due(0, 100)
    compactor.forget()
    assert compactor.due(600, 200) is None
    assert compactor.due(1200, 300) == 200


def test_a_number_alone_means_hours_and_long_periods_are_looked_at_every_six_minutes():
    compactor = build_compactor("periodic", "5")
    assert compactor is not None and compactor.interval_s == 360


@pytest.mark.parametrize(("mode", "retention"), [("periodic", "0"), ("revision", "0"), ("periodic", "0s")])
def test_zero_is_off(mode: str, retention: str):
    assert build_compactor(mode, retention) is None


@pytest.mark.parametrize(
    ("mode", "retention", "said"),
    [
        ("sometimes", "1", '--auto-compaction-mode: "sometimes" is not one of periodic, revision'),
        ("revision", "1h", '--auto-compaction-retention: "1h" is no number of revisions'),
        ("periodic", "soon", '--auto-compaction-retention: "soon" is no duration'),
    ],
)
def test_what_cannot_be_used(mode: str, retention: str, said: str):
    with pytest.raises(ConfigError, match=said):
        build_compactor(mode, retention)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("1h30m", 5400), ("1.5h", 5400), ("0", 0), ("2m3s", 123)]
)
def test_durations(text: str, seconds: float):
    assert parse_duration("flag", text) == seconds


@pytest.mark.parametrize("text", ["", "10", "10x", "s", "-5s", "1h 30m", "5ss"])
def test_what_is_no_duration(text: str):
    with pytest.raises(ConfigError, match="--flag: .* is no duration"):
        parse_duration("flag", text)
