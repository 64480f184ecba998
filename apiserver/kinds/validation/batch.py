"""Jobs and cron jobs: pods that run to their end.

What a job's pods are to be is fixed with the job; only how fast, and whether at all, may change afterwards.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from apiserver.errors import Cause
from apiserver.kinds.metadata import update_validator, validator
from apiserver.kinds.validation.pod_spec import pod_template
from apiserver.kinds.validation.selecting import parse_selector
from apiserver.kinds.validation.values import Object, choice, label_name, not_negative, too_many, unchanged
from apiserver.meta import (
    CronError,
    check_dns1123_label,
    check_dns1123_subdomain,
    deep_copy,
    duplicate,
    invalid,
    not_supported,
    parse_schedule,
    required,
)

INDEXED, NON_INDEXED = "Indexed", "NonIndexed"

_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_MAX_INDEXED_PARALLELISM = 100_000
_MAX_CRON_NAME = 52
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def _job(job: Object) -> list[Cause]:
    spec = job.get("spec") or {}
    causes = _own_selector(job, spec)
    causes += job_spec(spec, "spec")
    given, labels = spec.get("selector"), ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if given is None:
        return [*causes, required("spec.selector")]
    selector, problems = parse_selector(given, "spec.selector")
    causes += problems
    if not problems and not selector.matches(labels):
        why = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", labels or None, why))
    if spec.get("completionMode") == INDEXED and spec.get("completions"):
        name = job["metadata"].get("name", "")
        last = f"{name}-{spec['completions'] - 1}"
        problems_of_name = check_dns1123_label(last)
        if problems_of_name and not check_dns1123_subdomain(name):
            why = f"will not able to create pod with invalid DNS label: {last}"
            causes.append(invalid("metadata.name", name, why))
    return causes


def _own_selector(job: Object, spec: Object) -> list[Cause]:
    """A selector that is not the user's is the one that the server makes of the job's uid."""
    uid, selector = job["metadata"].get("uid", ""), spec.get("selector")
    if spec.get("manualSelector") or selector is None or not uid:
        return []
    said = (selector.get("matchLabels") or {}) | {}
    if uid in (said.get("batch.kubernetes.io/controller-uid"), said.get("controller-uid")):
        return []
    return [invalid("spec.selector", selector, "`selector` not auto-generated")]


def job_spec(spec: Object, path: str) -> list[Cause]:
    """The rules that jobs and templates of jobs have in common."""
    causes: list[Cause] = []
    for field in _COUNTS:
        causes += not_negative(f"{path}.{field}", spec.get(field))
    causes += _indexes(spec, path)
    if spec.get("podFailurePolicy") is not None:
        causes += _failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        causes += _success_policy(spec, f"{path}.successPolicy")
    if spec.get("podReplacementPolicy") is not None:
        choices: tuple[str, ...] = ("Failed", "TerminatingOrFailed")
        if spec.get("podFailurePolicy") is not None:
            choices = ("Failed",)
        causes += choice(f"{path}.podReplacementPolicy", spec["podReplacementPolicy"], choices)
    if spec.get("managedBy") is not None:
        causes += label_name(f"{path}.managedBy", spec["managedBy"])
    template = spec.get("template") or {}
    causes += pod_template(template, f"{path}.template")
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    where = f"{path}.template.spec.restartPolicy"
    if policy in ("Always", ""):
        causes.append(required(where, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        causes.append(not_supported(where, policy, ("OnFailure", "Never")))
    elif policy != "Never" and spec.get("podFailurePolicy") is not None:
        causes.append(invalid(where, policy, 'only "Never" is supported when podFailurePolicy is specified'))
    return causes


def _indexes(spec: Object, path: str) -> list[Cause]:
    mode, per_index, failed = spec.get("completionMode"), spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    causes = not_negative(f"{path}.backoffLimitPerIndex", per_index) + not_negative(f"{path}.maxFailedIndexes", failed)
    if failed is not None and per_index is None:
        causes.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if mode is not None and mode not in (INDEXED, NON_INDEXED):
        causes.append(not_supported(f"{path}.completionMode", mode, (INDEXED, NON_INDEXED)))
    if mode == INDEXED:
        if spec.get("completions") is None:
            causes.append(required(f"{path}.completions", "when completion mode is Indexed"))
        if spec.get("parallelism", 0) > _MAX_INDEXED_PARALLELISM:
            why = f"must be less than or equal to {_MAX_INDEXED_PARALLELISM} when completion mode is Indexed"
            causes.append(invalid(f"{path}.parallelism", spec["parallelism"], why))
        if failed is not None and spec.get("completions") is not None and failed > spec["completions"]:
            why = "must be less than or equal to completions"
            causes.append(invalid(f"{path}.maxFailedIndexes", failed, why))
        return causes
    for field, value in (("backoffLimitPerIndex", per_index), ("maxFailedIndexes", failed)):
        if value is not None:
            causes.append(invalid(f"{path}.{field}", value, "requires indexed completion mode"))
    return causes


def _failure_policy(spec: Object, path: str) -> list[Cause]:
    rules = spec["podFailurePolicy"].get("rules") or []
    causes: list[Cause] = []
    if len(rules) > 20:
        causes.append(too_many(f"{path}.rules", len(rules), 20))
    template = (spec.get("template") or {}).get("spec") or {}
    names = [c.get("name") for field in ("containers", "initContainers") for c in template.get(field) or ()]
    for index, rule in enumerate(rules):
        where = f"{path}.rules[{index}]"
        action = rule.get("action", "")
        if not action:
            causes.append(required(f"{where}.action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'))
        elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            why = "requires the backoffLimitPerIndex to be set"
            causes.append(invalid(f"{where}.action", action, why))
        elif action not in _ACTIONS:
            causes.append(not_supported(f"{where}.action", action, _ACTIONS))
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            causes += _exit_codes(codes, f"{where}.onExitCodes", names)
        for place, condition in enumerate(conditions):
            spot = f"{where}.onPodConditions[{place}]"
            causes += label_name(f"{spot}.type", condition.get("type", ""))
            causes += choice(f"{spot}.status", condition.get("status"), ("False", "True", "Unknown"))
        if codes is not None and conditions:
            causes.append(invalid(where, "", "specifying both OnExitCodes and OnPodConditions is not supported"))
        if codes is None and not conditions:
            causes.append(invalid(where, "", "specifying one of OnExitCodes and OnPodConditions is required"))
    return causes


def _exit_codes(codes: Object, path: str, names: list[str]) -> list[Cause]:
    operator, values = codes.get("operator", ""), codes.get("values") or []
    causes: list[Cause] = []
    if not operator:
        causes.append(required(f"{path}.operator", 'valid values: ["In" "NotIn"]'))
    elif operator not in ("In", "NotIn"):
        causes.append(not_supported(f"{path}.operator", operator, ("In", "NotIn")))
    name = codes.get("containerName")
    if name is not None and name not in names:
        causes.append(
            invalid(
                f"{path}.containerName", name, "must be one of the container or initContainer names in the pod template"
            )
        )
    if not values:
        causes.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif len(values) > 255:
        causes.append(too_many(f"{path}.values", len(values), 255))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            causes.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in values[:index]:
            causes.append(duplicate(f"{path}.values[{index}]", value))
    if values != sorted(values):
        causes.append(invalid(f"{path}.values", values, "must be ordered"))
    return causes


def _success_policy(spec: Object, path: str) -> list[Cause]:
    if spec.get("completionMode") != INDEXED:
        return [invalid(path, spec["successPolicy"], "requires indexed completion mode")]
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        return [required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")]
    causes: list[Cause] = [too_many(f"{path}.rules", len(rules), 20)] if len(rules) > 20 else []
    for index, rule in enumerate(rules):
        where, count = f"{path}.rules[{index}]", rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            causes.append(required(where, "at least one of succeededCount or succeededIndexes must be specified"))
        causes += not_negative(f"{where}.succeededCount", count)
        if count is not None and count > spec.get("completions", 0):
            why = f"must be less than or equal to {spec.get('completions', 0)} (the number of specified completions)"
            causes.append(invalid(f"{where}.succeededCount", count, why))
    return causes


def _job_change(job: Object, old: Object) -> list[Cause]:
    spec, before = job["spec"], old["spec"]
    causes = _completions(spec, before)
    causes += unchanged("spec.selector", spec.get("selector"), before.get("selector"))
    template: Object = spec.get("template") or {}
    if _may_still_be_placed(before, old.get("status") or {}):
        template = _placed_as(template, before.get("template") or {})
    if template != before.get("template"):
        causes.append(invalid("spec.template", spec.get("template"), "field is immutable"))
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        causes += unchanged(f"spec.{field}", spec.get(field), before.get(field))
    return causes


def _completions(spec: Object, before: Object) -> list[Cause]:
    """An indexed job may grow and shrink, as many pods at once as indexes."""
    now, was = spec.get("completions"), before.get("completions")
    if now == was:
        return []
    if spec.get("completionMode") != INDEXED or now is None or was is None:
        return [invalid("spec.completions", now, "field is immutable")]
    if spec.get("parallelism") != now:
        return [invalid("spec.completions", now, "can only be modified in tandem with spec.parallelism")]
    return []


def _may_still_be_placed(before: Object, status: Object) -> bool:
    """A suspended job that has never started: a queue may still say where its pods go."""
    return bool(before.get("suspend")) and status.get("startTime") is None


def _placed_as(template: Object, before: Object) -> Object:
    """The template with the directives of scheduling as they were."""
    munged: Object = deep_copy(template)
    spec, was = munged.setdefault("spec", {}), before.get("spec") or {}
    for field in ("nodeSelector", "affinity", "tolerations", "schedulingGates"):
        spec.pop(field, None)
        if field in was:
            spec[field] = was[field]
    metadata, known = munged.setdefault("metadata", {}), before.get("metadata") or {}
    for field in ("labels", "annotations"):
        metadata.pop(field, None)
        if field in known:
            metadata[field] = known[field]
    if "metadata" not in before and not metadata:
        del munged["metadata"]
    return munged


# Cron jobs ----------------------------------------------------------------------------------------------------------


def _cron_job(cron_job: Object) -> list[Cause]:
    spec = cron_job.get("spec") or {}
    causes = _schedule(spec)
    causes += not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if spec.get("timeZone") is not None:
        causes += _time_zone(spec["timeZone"], "spec.timeZone")
    causes += choice("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    causes += job_spec(job, "spec.jobTemplate.spec")
    if job.get("manualSelector"):
        text = 'Unsupported value: true: supported values: "nil", "false"'
        causes.append(Cause("FieldValueNotSupported", text, "spec.jobTemplate.spec.manualSelector"))
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes += not_negative(f"spec.{field}", spec.get(field))
    name = cron_job["metadata"].get("name", "")
    if len(name) > _MAX_CRON_NAME:
        causes.append(invalid("metadata.name", name, f"must be no more than {_MAX_CRON_NAME} characters"))
    return causes


def _schedule(spec: Object) -> list[Cause]:
    schedule, path = spec.get("schedule", ""), "spec.schedule"
    if not schedule:
        return [required(path)]
    causes: list[Cause] = []
    try:
        parse_schedule(schedule)
    except CronError as error:
        causes.append(invalid(path, schedule, str(error)))
    if "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        if spec.get("timeZone") is not None:
            why = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        causes.append(invalid(path, schedule, why))
    return causes


def _time_zone(zone: str, path: str) -> list[Cause]:
    if not zone:
        return [invalid(path, zone, "timeZone must be nil or non-empty string")]
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            return [invalid(path, zone, f"unknown time zone {zone}")]
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [invalid(path, zone, why)]
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return [invalid(path, zone, f"unknown time zone {zone}")]
    return []


RULES = {
    "batch/v1 jobs": (validator(_job), update_validator(_job_change)),
    "batch/v1 cronjobs": (validator(_cron_job), update_validator()),
}
