"""The garbage collector on the real server: owners of every kind, in every namespace or none."""

from __future__ import annotations

import pytest

from apiserver.errors import StatusError


@pytest.fixture
async def garbage(world):
    await world.run("garbage-collector-controller")
    await world.settle()
    return world


def named(kind: str, name: str, namespace: str | None = "default", api_version: str = "v1", **fields) -> dict:
    metadata = {"name": name, **fields.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata, **fields}


def owned_by(*owners: dict, blocks: bool = False) -> dict:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": blocks,
        }
        for owner in owners
    ]
    return {"ownerReferences": references}


async def test_a_cluster_scoped_owner_takes_what_lives_in_namespaces(garbage):
    owner = await garbage.client.create("nodes", named("Node", "node-0", None))
    await garbage.client.create("configmaps", named("ConfigMap", "child", metadata=owned_by(owner)))
    await garbage.settle()
    assert "child" in await garbage.names("configmaps")
    await garbage.client.delete("nodes", "node-0")
    await garbage.settle()
    assert "child" not in await garbage.names("configmaps")


async def test_an_owner_in_another_namespace_is_none(garbage):
    owner = await garbage.client.create("configmaps", named("ConfigMap", "owner"))
    await garbage.client.create("configmaps", named("ConfigMap", "child", "kube-public", metadata=owned_by(owner)))
    await garbage.settle()
    assert "child" not in await garbage.names("configmaps", "kube-public")
    for recorder in garbage.managers[0].recorders:
        await recorder.flushed()
    (event,) = await garbage.all("events", "kube-public")
    uid = owner["metadata"]["uid"]
    who = f"[v1/ConfigMap, namespace: kube-public, name: owner, uid: {uid}]"
    assert event["reason"] == "OwnerRefInvalidNamespace"
    assert event["message"] == f'ownerRef {who} does not exist in namespace "kube-public"'


async def test_what_has_no_namespace_cannot_be_owned_by_what_has_one(garbage):
    owner = await garbage.client.create("configmaps", named("ConfigMap", "owner"))
    await garbage.client.create("nodes", named("Node", "node-0", None, metadata=owned_by(owner)))
    await garbage.client.delete("configmaps", "owner", "default")
    await garbage.settle()
    assert await garbage.names("nodes", None) == ["node-0"]


async def test_a_chain_of_foreground_deletions_goes_from_the_leaves(garbage):
    first = await garbage.client.create("configmaps", named("ConfigMap", "first"))
    second = await garbage.client.create("secrets", named("Secret", "second", metadata=owned_by(first, blocks=True)))
    held = {**owned_by(second, blocks=True), "finalizers": ["example.com/hold"]}
    await garbage.client.create("serviceaccounts", named("ServiceAccount", "third", metadata=held))
    await garbage.client.delete("configmaps", "first", "default", propagation_policy="Foreground")
    await garbage.settle()
    assert (await garbage.one("serviceaccounts", "third"))["metadata"]["deletionTimestamp"]
    assert (await garbage.one("secrets", "second"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    await garbage.client.patch("serviceaccounts", "third", {"metadata": {"finalizers": None}}, "default")
    await garbage.settle()
    for resource, name in (("configmaps", "first"), ("secrets", "second"), ("serviceaccounts", "third")):
        with pytest.raises(StatusError):
            await garbage.one(resource, name)


async def test_a_circle_of_owners_ends(garbage):
    first = await garbage.client.create("configmaps", named("ConfigMap", "first"))
    metadata = owned_by(first, blocks=True)
    second = await garbage.client.create("configmaps", named("ConfigMap", "second", metadata=metadata))
    patch = {"metadata": owned_by(second, blocks=True)}
    await garbage.client.patch("configmaps", "first", patch, "default")
    await garbage.settle()
    await garbage.client.delete("configmaps", "first", "default", propagation_policy="Foreground")
    await garbage.settle()
    assert not {"first", "second"} & set(await garbage.names("configmaps"))


async def test_orphans_keep_their_other_owners(garbage):
    first = await garbage.client.create("configmaps", named("ConfigMap", "first"))
    second = await garbage.client.create("configmaps", named("ConfigMap", "second"))
    await garbage.client.create("secrets", named("Secret", "child", metadata=owned_by(first, second)))
    await garbage.settle()
    await garbage.client.delete("configmaps", "first", "default", propagation_policy="Orphan")
    await garbage.settle()
    references = (await garbage.one("secrets", "child"))["metadata"]["ownerReferences"]
    assert [reference["name"] for reference in references] == ["second"]
    assert "first" not in await garbage.names("configmaps")


async def test_it_watches_metadata_and_shares_what_others_watch_whole(world):
    manager = await world.run("garbage-collector-controller", "replicaset-controller")
    await world.settle()
    informers = manager._informers._informers
    whole = {key[0].plural for key in informers if not key[-1]}
    partial = {key[0].plural for key in informers if key[-1]}
    assert whole == {"replicasets", "pods"} and {"configmaps", "jobs", "leases"} <= partial
    assert not whole & partial and "events" not in partial
