"""What is built on the client: events, leader election, kubeconfig, discovery."""

from __future__ import annotations

import asyncio
import base64

import pytest
import yaml

from apiserver.client import (
    EventRecorder,
    HttpTransport,
    KubeconfigError,
    LeaderElector,
    ResourceName,
    discover,
    load_kubeconfig,
)
from apiserver.errors import service_unavailable

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "default", "uid": "u"}}


# ---- events


async def test_the_same_event_is_counted(client, api, clock):
    recorder = EventRecorder(client, component="tester", clock=clock)
    for _ in range(3):
        recorder.event(POD, "Warning", "Failed", "it did not work")
    recorder.event(POD, "Warning", "Failed", "it did not work either")
    await recorder.flushed()
    counts = {event["message"]: event["count"] for event in api.all("events")}
    assert counts == {"it did not work": 3, "it did not work either": 1}
    event = api.all("events")[0]
    assert event["involvedObject"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "name": "p",
        "namespace": "default",
        "uid": "u",
    }
    assert event["source"] == {"component": "tester"} and event["metadata"]["name"].startswith("p.")


async def test_events_never_fail_their_speaker(client, api, clock, caplog):
    recorder = EventRecorder(client, component="tester", clock=clock)
    api.fail("POST", service_unavailable("no"))
    recorder.event(POD, "Normal", "Lost", "")
    recorder.event(POD, "Normal", "Kept", "")
    await recorder.flushed()
    assert [event["reason"] for event in api.all("events")] == ["Kept"]
    for number in range(1100):
        other = {
            **POD,
            "metadata": {**POD["metadata"], "name": f"p-{number}"},
        }  # of one pod the spam filter would drop most
        recorder.event(other, "Normal", "Flood", "")
    assert caplog.text.count("dropping new ones") == 1
    await recorder.close()


# ---- leader election


async def test_one_leads_and_another_takes_over_when_it_falls_silent(client, api, clock, eventually, settle):
    reign: list[str] = []

    async def lead(name: str) -> None:
        reign.append(name)
        await asyncio.Event().wait()

    electors = {name: LeaderElector(client, "boss", name, clock=clock) for name in ("a", "b")}
    first = asyncio.create_task(electors["a"].run(lambda: lead("a")))
    await eventually(lambda: reign == ["a"])
    second = asyncio.create_task(electors["b"].run(lambda: lead("b")))
    await eventually(lambda: clock.monotonic_s() > 60, step_s=0.5)
    assert reign == ["a"], "it renews, so nobody else leads"
    api.fail("leases/boss", service_unavailable("cut off"), times=1000)
    await eventually(first.done, step_s=0.5)
    assert not electors["a"].is_leader and reign == ["a"], "the first stops before the second may start"
    api.failures.clear()
    await eventually(lambda: reign == ["a", "b"], step_s=0.5)
    assert api.one("leases", "boss", "kube-system")["spec"]["leaseTransitions"] == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_a_leader_whose_calls_hang_stops_in_time(client, api, clock, eventually, monkeypatch):
    stopped: list[float] = []

    async def lead() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(clock.monotonic_s())

    async def hang(*args, **options):
        await asyncio.Event().wait()

    elector = LeaderElector(client, "boss", "a", clock=clock)
    task = asyncio.create_task(elector.run(lead))
    await eventually(lambda: elector.is_leader)
    monkeypatch.setattr(api, "request", hang)
    since_s = clock.monotonic_s()
    await eventually(task.done, step_s=0.5)
    assert stopped[0] - since_s <= 10.5, "before the lease of 15 s is anybody else's"


async def test_a_leader_that_leaves_gives_the_lease_up_at_once(client, api, clock, eventually):
    async def lead() -> None:
        await clock.sleep(5.0)

    elector = LeaderElector(client, "boss", "a", clock=clock)
    task = asyncio.create_task(elector.run(lead))
    await eventually(task.done, step_s=0.5)
    await task
    assert api.one("leases", "boss", "kube-system")["spec"]["holderIdentity"] == ""


def test_times_that_cannot_work_together_are_refused(client, clock):
    with pytest.raises(ValueError, match="lease_duration_s > renew_deadline_s"):
        LeaderElector(client, "boss", "a", clock=clock, lease_duration_s=5)


# ---- kubeconfig


def write(path, *, cluster=None, user=None, **fields):
    document = {
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "k", "cluster": cluster or {"server": "http://127.0.0.1:1/"}}],
        "users": [{"name": "u", "user": user or {}}],
        **fields,
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_plain_kubeconfig(tmp_path):
    (tmp_path / "token").write_text("from a file\n")
    config = load_kubeconfig(write(tmp_path / "k", user={"tokenFile": "token"}))
    assert config == ("http://127.0.0.1:1", "from a file", None, "team", "")
    assert HttpTransport.from_kubeconfig(config).url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"current-context": "x"}, "no context named 'x'; there are: c"),
        ({"current-context": ""}, "no current-context; name one of c"),
        ({"clusters": []}, "no cluster named 'k'; there are: none"),
        ({"cluster": {"server": "127.0.0.1"}}, "server '127.0.0.1' is not an http:// or https:// URL"),
        ({"user": {"exec": {"command": "aws"}}}, "exec is not supported"),
        ({"user": {"tokenFile": "absent"}}, "tokenFile absent: No such file"),
        ({"kind": "Pod"}, "not a kubeconfig"),
        (
            {"cluster": {"server": "https://h", "certificate-authority-data": "%%"}},
            "certificate-authority-data is not base64",
        ),
        (
            {"cluster": {"server": "https://h", "certificate-authority-data": base64.b64encode(b"x").decode()}},
            "certificate-authority is not a PEM certificate",
        ),
        (
            {"cluster": {"server": "https://h"}, "user": {"client-certificate-data": "eA=="}},
            "client-key is missing",
        ),
        (
            {
                "cluster": {"server": "https://h"},
                "user": {"client-certificate-data": "eA==", "client-key-data": "eA=="},
            },
            "do not load",
        ),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_named(tmp_path, fields, said):
    with pytest.raises(KubeconfigError) as refused:
        load_kubeconfig(write(tmp_path / "k", **fields))
    assert said in str(refused.value) and str(tmp_path / "k") in str(refused.value)


def test_there_is_no_search(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "mine")))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(KubeconfigError, match="a kubeconfig path is required"):
        load_kubeconfig("")
    with pytest.raises(KubeconfigError, match="No such file"):
        load_kubeconfig(tmp_path / "other")


# ---- discovery


async def test_discovery(client, api):
    found = await discover(client)
    pods = found.find_kind("", "Pod")
    assert pods is not None and pods.name == ResourceName("", "v1", "pods") and pods.namespaced
    assert found.find_kind("apps", "Deployment").api_version == "apps/v1"
    api.fail("GET /apis/apps/v1", service_unavailable("down"))
    partial = await discover(client)
    assert partial.failed == ["apps/v1: down"] and partial.find_kind("", "Pod")
