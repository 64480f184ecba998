"""Events are combined and limited as client-go does it."""

from __future__ import annotations

import pytest

from apiserver.client import EventRecorder

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "namespace": "default", "uid": "u"}}


@pytest.fixture
def recorder(client, clock) -> EventRecorder:
    return EventRecorder(client, component="c", clock=clock)


async def test_after_ten_similar_events_the_rest_are_one(recorder, api):
    for number in range(15):
        recorder.event(OWNER, "Normal", "SuccessfulCreate", f"Created pod: r-{number}")
    await recorder.flushed()
    events = api.all("events")
    assert len(events) == 11
    combined = events[-1]
    assert combined["message"] == "(combined from similar events): Created pod: r-14" and combined["count"] == 5


async def test_one_object_has_so_many_events_and_then_one_now_and_then(recorder, api, clock):
    for number in range(60):
        recorder.event(OWNER, "Normal", f"Reason{number}", "said")
    await recorder.flushed()
    assert len(api.all("events")) == 25
    clock.advance(301.0)
    for number in range(3):
        recorder.event(OWNER, "Normal", f"Later{number}", "said")
    await recorder.flushed()
    assert len(api.all("events")) == 26


async def test_other_objects_are_not_held_back(recorder, api):
    for number in range(40):
        metadata = {"name": f"r-{number}", "namespace": "default", "uid": f"u-{number}"}
        recorder.event({**OWNER, "metadata": metadata}, "Normal", "SuccessfulCreate", "said")
    await recorder.flushed()
    assert len(api.all("events")) == 40


async def test_the_same_thing_said_again_is_counted(recorder, api):
    for _ in range(3):
        recorder.event(OWNER, "Normal", "Said", "again")
    await recorder.flushed()
    (event,) = api.all("events")
    assert event["count"] == 3
