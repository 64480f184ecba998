"""What is legal and unwise: the texts that kubectl prints after "Warning:"."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.kinds import BUILTIN, decode_body
from apiserver.kinds.warnings import find_warner
from apiserver.meta import encode

CONTAINER = {"name": "c", "image": "nginx"}


def _pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"containers": [CONTAINER], **spec}}


def _with_container(**more: Any) -> dict[str, Any]:
    return _pod(containers=[{**CONTAINER, **more}])


PODS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", _pod(), []),
    (
        "an old label",
        _pod(nodeSelector={"beta.kubernetes.io/os": "linux"}),
        ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
    ),
    (
        "an old label in an affinity",
        _pod(
            affinity={
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "beta.kubernetes.io/arch", "operator": "Exists"}]}
                        ]
                    }
                }
            }
        ),
        [
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
            "matchExpressions[0].key: beta.kubernetes.io/arch is deprecated since v1.14; "
            'use "kubernetes.io/arch" instead'
        ],
    ),
    (
        "an affinity to nobody",
        _pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "z"}]}}),
        [
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: "
            "a null labelSelector results in matching no pod"
        ],
    ),
    (
        "a variable twice",
        _with_container(
            env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "A", "value": "$(A)3"}]
        ),
        ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
    ),
    (
        "a port twice",
        _with_container(
            ports=[{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP", "name": "web"}]
        ),
        ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
    ),
    (
        "half a byte",
        _with_container(resources={"limits": {"memory": "1500m"}}),
        ['spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer'],
    ),
    (
        "a volume of the past",
        _pod(volumes=[{"name": "v", "gitRepo": {"repository": "r"}}]),
        ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
    ),
    (
        "a secret without a name",
        _pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}, {}]),
        [
            'spec.imagePullSecrets[1].name: duplicate name "a"',
            'spec.imagePullSecrets[2].name: invalid empty name ""',
        ],
    ),
    (
        "less than no time",
        _pod(terminationGracePeriodSeconds=-1),
        ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
    ),
    (
        "a name that is no label",
        {"metadata": {"name": "a.b"}, "spec": {}},
        [
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
            "recommended: [a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
            "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
            "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')]"
        ],
    ),
]


@pytest.mark.parametrize(("what", "pod", "texts"), PODS, ids=[case[0] for case in PODS])
def test_pods(what: str, pod: dict[str, Any], texts: list[str]):
    warn = find_warner("v1 pods")
    assert warn is not None
    assert warn(pod, None) == texts


def test_a_template_is_warned_of_under_its_path_and_only_when_it_changes():
    warn = find_warner("apps/v1 deployments")
    assert warn is not None
    deployment = {
        "metadata": {"name": "x", "generation": 2},
        "spec": {
            "template": {
                "metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"}},
                "spec": {"containers": [CONTAINER]},
            }
        },
    }
    text = (
        "spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; "
        'use the "appArmorProfile" field instead'
    )
    assert warn(deployment, None) == [text]
    assert warn(deployment, {"metadata": {"generation": 1}}) == [text]
    assert warn(deployment, {"metadata": {"generation": 2}}) == []


OTHERS: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "networking.k8s.io/v1 ingresses",
        {"metadata": {"name": "x", "annotations": {"kubernetes.io/ingress.class": "nginx"}}},
        ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"],
    ),
    (
        "v1 persistentvolumes",
        {"metadata": {"name": "x"}, "spec": {"persistentVolumeReclaimPolicy": "Recycle"}},
        [
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        ],
    ),
    (
        "v1 services",
        {"metadata": {"name": "x"}, "spec": {"clusterIPs": ["None"], "externalIPs": ["10.0.0.1"]}},
        ["spec.externalIPs is ignored for headless services"],
    ),
    (
        "v1 persistentvolumeclaims",
        {"metadata": {"name": "x"}, "spec": {"resources": {"requests": {"storage": "100m"}}}},
        ['spec.resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer'],
    ),
]


@pytest.mark.parametrize(("where", "obj", "texts"), OTHERS, ids=[case[0].split()[1] for case in OTHERS])
def test_other_kinds(where: str, obj: dict[str, Any], texts: list[str]):
    warn = find_warner(where)
    assert warn is not None
    assert warn(obj, None) == texts


def test_an_empty_object_of_any_kind_is_no_trouble():
    for resource in BUILTIN:
        if resource.warn is not None:
            obj = decode_body(resource, encode({"metadata": {"name": "x"}})).obj
            assert resource.warn(obj, None) == []
            resource.defaults(obj)
            assert resource.warn(obj, None) == []
