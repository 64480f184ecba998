"""Flags of `apiserver serve` that become a configuration."""

from __future__ import annotations

import pytest
import typer

from apiserver.cli.serving_flags import build_config
from apiserver.config import AccessConfig, ApiServerConfig

ORDINARY = ("127.0.0.1", 6443, AccessConfig(), "10.96.0.0/16", "30000-32767", "")


def test_ordinary_flags_are_the_ordinary_configuration():
    made = build_config(*ORDINARY, (400, 200), "5m0s")
    assert made == ApiServerConfig(port=6443)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("30s", 30.0), ("1m30s", 90.0)])
def test_how_often_history_is_dropped(text: str, seconds: float):
    assert build_config(*ORDINARY, (1, 1), text).compaction_interval_s == seconds


@pytest.mark.parametrize("text", ["", "soon", "5", "-1m"])
def test_what_is_no_duration_is_said(text: str):
    with pytest.raises(typer.BadParameter, match="--etcd-compaction-interval"):
        build_config(*ORDINARY, (1, 1), text)
