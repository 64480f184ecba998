"""What a Job makes of a pod that failed (podFailurePolicy), and when it has succeeded early (successPolicy).

Pure functions. Source of the rules: Kubernetes pkg/controller/job/pod_failure_policy.go and success_policy.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from apiserver.client import Object, Objects, key_of
from apiserver.controllers.job_indexes import parse_indexes

FAIL_JOB, FAIL_INDEX, IGNORE, COUNT = "FailJob", "FailIndex", "Ignore", "Count"


class Ruling(NamedTuple):
    """action: one of the above; the first rule that matches decides, and COUNT where none does."""

    action: str
    message: str = ""


def judge_failure(job: Object, pod: Object) -> Ruling:
    policy = job["spec"].get("podFailurePolicy")
    if not policy or (pod.get("status") or {}).get("phase") != "Failed":
        return Ruling(COUNT)
    for place, rule in enumerate(policy.get("rules") or ()):
        said = _match(rule, pod)
        if said:
            return Ruling(rule["action"], f"{said} matching {rule['action']} rule at index {place}")
    return Ruling(COUNT)


def _match(rule: Object, pod: Object) -> str:
    """What matched, as Kubernetes says it; "" where nothing does."""
    codes = rule.get("onExitCodes")
    if codes:
        for status in _terminated(pod):
            code = status["state"]["terminated"].get("exitCode", 0)
            if not code or (codes.get("containerName") or status["name"]) != status["name"]:
                continue
            if (code in codes.get("values", ())) == (codes.get("operator") == "In"):
                return f"Container {status['name']} for pod {key_of(pod)} failed with exit code {code}"
        return ""
    held = {c["type"]: c.get("status") for c in (pod.get("status") or {}).get("conditions") or ()}
    for pattern in rule.get("onPodConditions") or ():
        if held.get(pattern["type"]) == pattern.get("status", "True"):
            return f"Pod {key_of(pod)} has condition {pattern['type']}"
    return ""


def _terminated(pod: Object) -> Objects:
    status = pod.get("status") or {}
    containers = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return [c for c in containers if (c.get("state") or {}).get("terminated")]


def match_success(job: Object, succeeded: Iterable[int]) -> str:
    """ "Matched rules at index 0", or "" where no rule of successPolicy is met."""
    policy = job["spec"].get("successPolicy")
    if not policy:
        return ""
    done = set(succeeded)
    completions = int(job["spec"].get("completions") or 0)
    for place, rule in enumerate(policy.get("rules") or ()):
        wanted = parse_indexes(rule["succeededIndexes"], completions) if rule.get("succeededIndexes") else None
        counted = done if wanted is None else done & wanted
        count = rule.get("succeededCount")
        if (count is not None and len(counted) >= count) or (count is None and wanted is not None and wanted <= done):
            return f"Matched rules at index {place}"
    return ""
