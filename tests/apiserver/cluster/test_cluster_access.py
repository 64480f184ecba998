"""Clusters with users: kubeconfigs for them, and parts that get along with their own roles."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from apiserver.auth import User
from apiserver.client import Client, HttpTransport, load_kubeconfig
from apiserver.cluster import LocalCluster, is_pod_running, wait_for
from apiserver.config import AccessConfig
from apiserver.pki import issue_serving, make_authority, write_pair
from apiserver.scheduler import Scheduler, SchedulerConfig

WHOAMI = "authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
}


async def whoami(kubeconfig, folder):
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    transport = HttpTransport.from_kubeconfig(load_kubeconfig(path))
    try:
        answer = await Client(transport).create(WHOAMI, REVIEW)
        return answer["status"]["userInfo"]["username"], answer["status"]["userInfo"]["groups"]
    finally:
        await transport.close()


async def test_a_kubeconfig_is_an_administrators_or_anybodys(tmp_path):
    async with LocalCluster(nodes=0, controllers=None, scheduler=None, authorization="RBAC") as cluster:
        admin = await whoami(cluster.kubeconfig(), tmp_path)
        assert admin == ("kubernetes-admin", ["system:masters", "system:authenticated"])
        assert await whoami(cluster.kubeconfig("ada", ["dev"]), tmp_path) == ("ada", ["dev", "system:authenticated"])


async def test_an_open_server_takes_somebody_for_whom_they_say(tmp_path):
    async with LocalCluster(nodes=0, controllers=None, scheduler=None) as cluster:
        document = cluster.kubeconfig("ada", ["dev"])
        assert document["users"][0]["user"] == {"as": "ada", "as-groups": ["dev"]}


async def test_with_certificates_of_files_the_administrator_comes_with_a_token(tmp_path):
    authority = make_authority()
    write_pair(tmp_path, "tls", issue_serving(authority, ["127.0.0.1"]))
    (tmp_path / "tls.crt").write_bytes((tmp_path / "tls.crt").read_bytes() + authority.certificate)
    files = {"tls_cert_file": str(tmp_path / "tls.crt"), "tls_private_key_file": str(tmp_path / "tls.key")}
    access = AccessConfig(**files, authorization_modes=("RBAC",))
    async with LocalCluster(nodes=0, controllers=None, scheduler=None, access=access) as cluster:
        assert cluster.kubeconfig()["users"][0]["user"].keys() == {"token"}
        assert (await whoami(cluster.kubeconfig(), tmp_path))[0] == "kubernetes-admin"
        with pytest.raises(LookupError):
            cluster.kubeconfig("ada")


async def test_the_scheduler_gets_along_with_its_own_role():
    async with LocalCluster(nodes=2, scheduler=None, authorization="RBAC") as cluster:
        user = User("system:kube-scheduler", groups=("system:authenticated",))
        scheduler = asyncio.create_task(Scheduler(cluster.client(user), SchedulerConfig()).run())
        try:
            client = cluster.client()
            await client.create("apps/v1/deployments", DEPLOYMENT)
            async with asyncio.timeout(60):
                await wait_for(client, "pods", lambda pods: sum(map(is_pod_running, pods.values())) == 3)
        finally:
            scheduler.cancel()
            await asyncio.gather(scheduler, return_exceptions=True)
