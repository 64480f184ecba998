"""A plan: what it refuses, how it is divided, and that it survives the way to a worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.load import Plan, PlanError


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"workload": "putt"}, "workload must be one of put, range"),
        ({"workload": "put", "conns": 0}, "conns must be at least 1, not 0"),
        ({"workload": "put", "clients": -3}, "clients must be at least 1"),
        ({"workload": "put", "rate": -1.0}, "rate must not be negative"),
        ({"workload": "put", "timeout_s": 0.0}, "timeout_s must be above 0"),
        ({"workload": "mixed", "read_ratio": 1.5}, "read_ratio must be from 0 to 1"),
        ({"workload": "put", "val_size": 10**9}, "val_size must be at most"),
        ({"workload": "put", "endpoints": []}, "endpoints must name at least one server"),
        ({"workload": "put", "prefix": ""}, "prefix must not be empty"),
        ({"workload": "range", "consistency": "x"}, "consistency must be one of l, s"),
        ({"workload": "watch", "watched": "all"}, "watched must be one of prefix, key, overlapping"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(fields: dict[str, Any], text: str):
    with pytest.raises(PlanError, match=text):
        Plan(**fields)


@given(st.integers(0, 10**7), st.integers(1, 64))
def test_shares_add_up_and_differ_by_one(amount: int, workers: int):
    plan = Plan(workload="put", workers=workers)
    shares = [plan.share(amount, index) for index in range(workers)]
    assert sum(shares) == amount and max(shares) - min(shares) <= 1


def test_without_an_end_it_takes_ten_seconds():
    assert Plan(workload="put").limit_s == 10
    assert Plan(workload="put", total=5).limit_s == 0
    assert Plan(workload="put", total=5, duration_s=2).limit_s == 2


def test_it_travels_as_json():
    plan = Plan(workload="watch", endpoints=["a:1", "b:2"], server_pids=[7], put_rate=2.5)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    with pytest.raises(PlanError, match="a plan has no field colour"):
        Plan.from_dict({"workload": "put", "colour": "red"})
