"""What extends the API server: webhooks, admission policies, API services; and flow control of its requests.

CEL expressions are not compiled here: who evaluates them says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from apiserver.errors import Cause
from apiserver.kinds.metadata import check_path_segment, update_validator, validator
from apiserver.kinds.validation.selecting import label_selector
from apiserver.kinds.validation.values import Object, choice, dns_subdomain, label_name, needs, port_number
from apiserver.meta import (
    check_dns1035_label,
    check_dns1123_subdomain,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_SCOPES = ("*", "Cluster", "Namespaced")
_REVIEW_VERSIONS = ("v1", "v1beta1")

# Webhooks -----------------------------------------------------------------------------------------------------------


def _webhooks(kind: str) -> Callable[[Object], list[Cause]]:
    def rules(configuration: Object) -> list[Cause]:
        causes: list[Cause] = []
        names: list[str] = []
        for index, hook in enumerate(configuration.get("webhooks") or ()):
            where = f"webhooks[{index}]"
            causes += _webhook(hook, where, kind)
            if hook.get("name") and hook["name"] in names:
                causes.append(duplicate(f"{where}.name", hook["name"]))
            names.append(hook.get("name", ""))
        return causes

    return validator(rules, namespaced=False)


def _webhook(hook: Object, path: str, kind: str) -> list[Cause]:
    causes = _qualified(hook.get("name", ""), f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        causes += _rule_with_operations(rule, f"{path}.rules[{index}]")
    causes += choice(f"{path}.failurePolicy", hook.get("failurePolicy"), FAILURE_POLICIES, optional=True)
    causes += choice(f"{path}.matchPolicy", hook.get("matchPolicy"), MATCH_POLICIES, optional=True)
    effects = hook.get("sideEffects")
    if effects is None:
        causes.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif effects not in ("None", "NoneOnDryRun"):
        causes.append(not_supported(f"{path}.sideEffects", effects, ("None", "NoneOnDryRun")))
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        causes.append(invalid(f"{path}.timeoutSeconds", seconds, why))
    for field in ("namespaceSelector", "objectSelector"):
        causes += label_selector(hook.get(field), f"{path}.{field}")
    if kind == "mutating" and hook.get("reinvocationPolicy") is not None:
        causes += choice(f"{path}.reinvocationPolicy", hook["reinvocationPolicy"], ("IfNeeded", "Never"))
    causes += _client(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    causes += _review_versions(hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions")
    return causes + _conditions(hook.get("matchConditions") or [], f"{path}.matchConditions")


def _qualified(name: str, path: str) -> list[Cause]:
    if not name:
        return [required(path)]
    causes = dns_subdomain(path, name)
    if not causes and name.count(".") < 2:
        causes.append(invalid(path, name, "should be a domain with at least three segments separated by dots"))
    return causes


def _rule_with_operations(rule: Object, path: str) -> list[Cause]:
    operations = rule.get("operations") or []
    causes: list[Cause] = []
    if not operations:
        causes.append(required(f"{path}.operations"))
    if len(operations) > 1 and "*" in operations:
        why = "if '*' is present, must not specify other operations"
        causes.append(invalid(f"{path}.operations", operations, why))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            causes.append(not_supported(f"{path}.operations[{index}]", operation, OPERATIONS))
    for field, what in (("apiGroups", "groups"), ("apiVersions", "versions")):
        values = rule.get(field) or []
        if not values:
            causes.append(required(f"{path}.{field}"))
        if len(values) > 1 and "*" in values:
            causes.append(invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other API {what}"))
        if field == "apiVersions":
            causes += [required(f"{path}.{field}[{index}]") for index, value in enumerate(values) if not value]
    causes += _resources(rule.get("resources") or [], f"{path}.resources")
    if rule.get("scope") is not None:
        causes += choice(f"{path}.scope", rule["scope"], _SCOPES)
    return causes


def _resources(resources: list[str], path: str) -> list[Cause]:
    if not resources:
        return [required(path)]
    causes: list[Cause] = []
    for index, text in enumerate(resources):
        where = f"{path}[{index}]"
        if not text:
            causes.append(required(where))
        elif text == "*/*" and len(resources) > 1:
            causes.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
        elif text.endswith("/*") and any(o.startswith(text[:-1]) and o != text for o in resources):
            bad = next(o for o in resources if o.startswith(text[:-1]) and o != text)
            causes.append(
                invalid(f"{path}[{resources.index(bad)}]", bad, f"if '{text}' is present, must not specify {bad}")
            )
    return causes


def _client(client: Object, path: str) -> list[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    if service is not None:
        return _service(service, f"{path}.service")
    parts = urlsplit(str(url))
    causes: list[Cause] = []
    where = f"{path}.url"
    if parts.scheme != "https":
        why = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        causes.append(invalid(where, parts.scheme, why))
    if not parts.netloc:
        why = "host must be specified; desired format: https://host[/path]"
        causes.append(invalid(where, parts.netloc, why))
    for said, what in (
        (parts.username, "user information is"),
        (parts.fragment, "fragments are"),
        (parts.query, "query parameters are"),
    ):
        if said:
            causes.append(invalid(where, said, f"{what} not permitted in the URL"))
    return causes


def _service(service: Object, path: str) -> list[Cause]:
    causes = [
        required(f"{path}.{field}", f"service {field} is required")
        for field in ("name", "namespace")
        if not service.get(field)
    ]
    place = service.get("path")
    if place is not None and not place.startswith("/"):
        causes.append(invalid(f"{path}.path", place, "must start with a '/'"))
    if service.get("port") is not None:
        causes += [
            cause._replace(message=cause.message.replace("must be between", "port is not valid: must be between"))
            for cause in port_number(f"{path}.port", service["port"])
        ]
    return causes


def _review_versions(versions: list[str], path: str) -> list[Cause]:
    if not versions:
        return [required(path, "must specify one of v1, v1beta1")]
    causes: list[Cause] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            causes.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        causes += [invalid(f"{path}[{index}]", version, why) for why in check_dns1035_label(version)]
    if not any(version in _REVIEW_VERSIONS for version in versions):
        why = "must include at least one of v1, v1beta1"
        causes.append(invalid(path, versions, why))
    return causes


def _conditions(conditions: list[Object], path: str) -> list[Cause]:
    if len(conditions) > 64:
        return [Cause("FieldValueTooMany", f"Too many: {len(conditions)}: must have at most 64 items", path)]
    causes: list[Cause] = []
    names: list[str] = []
    for index, condition in enumerate(conditions):
        where, name = f"{path}[{index}]", condition.get("name", "")
        if not (condition.get("expression") or "").strip():
            causes.append(required(f"{where}.expression"))
        if name in names:
            causes.append(duplicate(f"{where}.name", name))
        elif not name:
            causes.append(required(f"{where}.name"))
        else:
            causes += label_name(f"{where}.name", name)
        names.append(name)
    return causes


# Policies -----------------------------------------------------------------------------------------------------------


def _policy(policy: Object) -> list[Cause]:
    spec = policy.get("spec") or {}
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    causes = _of_policies(spec)
    if not validations and not annotations:
        why = "validations or auditAnnotations must be non-empty"
        causes.append(required("spec.validations", why))
        causes.append(required("spec.auditAnnotations", why))
    for index, rule in enumerate(validations):
        where = f"spec.validations[{index}]"
        if not (rule.get("expression") or "").strip():
            causes.append(required(f"{where}.expression", "expression is not specified"))
        message = rule.get("message") or ""
        if message and not message.strip():
            causes.append(invalid(f"{where}.message", message, "message must be non-empty if specified"))
        if "\n" in message.strip():
            causes.append(invalid(f"{where}.message", message, "message must not contain line breaks"))
        if rule.get("reason") is not None:
            choices = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
            causes += choice(f"{where}.reason", rule["reason"], choices)
    for index, annotation in enumerate(annotations):
        where = f"spec.auditAnnotations[{index}]"
        causes += needs(f"{where}.key", annotation.get("key", ""), check_dns1123_subdomain)
        if not (annotation.get("valueExpression") or "").strip():
            causes.append(required(f"{where}.valueExpression", "valueExpression is not specified"))
    return causes


def _mutating_policy(policy: Object) -> list[Cause]:
    spec = policy.get("spec") or {}
    causes = _of_policies(spec)
    mutations = spec.get("mutations") or []
    if not mutations:
        causes.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(mutations):
        kind = mutation.get("patchType", "")
        causes += choice(f"spec.mutations[{index}].patchType", kind, ("ApplyConfiguration", "JSONPatch"))
    causes += choice("spec.reinvocationPolicy", spec.get("reinvocationPolicy"), ("IfNeeded", "Never"))
    return causes


def _of_policies(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    if spec.get("failurePolicy") is None:
        causes.append(required("spec.failurePolicy"))
    else:
        causes += choice("spec.failurePolicy", spec["failurePolicy"], FAILURE_POLICIES)
    kind = spec.get("paramKind")
    if kind is not None:
        causes += [required(f"spec.paramKind.{field}") for field in ("apiVersion", "kind") if not kind.get(field)]
    match = spec.get("matchConstraints")
    if match is None:
        causes.append(required("spec.matchConstraints"))
    else:
        causes += _match(match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            causes.append(required("spec.matchConstraints.resourceRules"))
    names: list[str] = []
    for index, variable in enumerate(spec.get("variables") or ()):
        where, name = f"spec.variables[{index}]", variable.get("name", "")
        if not name:
            causes.append(required(f"{where}.name", "name is not specified"))
        elif not name.isidentifier():
            causes.append(invalid(f"{where}.name", name, "name is not a valid CEL identifier"))
        if name in names:
            causes.append(duplicate(f"{where}.name", name))
        names.append(name)
        if not (variable.get("expression") or "").strip():
            causes.append(required(f"{where}.expression", "expression is not specified"))
    return causes + _conditions(spec.get("matchConditions") or [], "spec.matchConditions")


def _match(match: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("namespaceSelector", "objectSelector"):
        causes += label_selector(match.get(field), f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(field) or ()):
            causes += _rule_with_operations(rule, f"{path}.{field}[{index}]")
    if match.get("matchPolicy") is not None:
        causes += choice(f"{path}.matchPolicy", match["matchPolicy"], MATCH_POLICIES)
    return causes


def _binding(binding: Object) -> list[Cause]:
    spec = binding.get("spec") or {}
    causes = needs("spec.policyName", spec.get("policyName", ""), check_dns1123_subdomain)
    reference = spec.get("paramRef")
    if reference is not None:
        if not reference.get("name") and reference.get("selector") is None:
            causes.append(required("spec.paramRef", "one of name or selector must be specified"))
        if reference.get("name") and reference.get("selector") is not None:
            why = "name and selector are mutually exclusive"
            causes.append(forbidden("spec.paramRef.name", why))
        causes += choice(
            "spec.paramRef.parameterNotFoundAction", reference.get("parameterNotFoundAction"), ("Allow", "Deny")
        )
    if spec.get("matchResources") is not None:
        causes += _match(spec["matchResources"], "spec.matchResources")
    return causes


def _validating_binding(binding: Object) -> list[Cause]:
    actions, path = (binding.get("spec") or {}).get("validationActions") or [], "spec.validationActions"
    causes = _binding(binding)
    if not actions:
        return [*causes, required(path, "at least one validation action is required")]
    for index, action in enumerate(actions):
        if action not in ("Audit", "Deny", "Warn"):
            causes.append(not_supported(f"{path}[{index}]", action, ("Audit", "Deny", "Warn")))
        if action in actions[:index]:
            causes.append(duplicate(f"{path}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"  # noqa: E501
        causes.append(invalid(path, actions, why))
    return causes


# API services -------------------------------------------------------------------------------------------------------


def _api_service(api_service: Object) -> list[Cause]:
    spec, name = api_service.get("spec") or {}, api_service["metadata"].get("name", "")
    group, version = spec.get("group", ""), spec.get("version", "")
    causes: list[Cause] = []
    wanted = f"{version}.{group}"
    if name != wanted and group:
        why = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        causes.append(invalid("metadata.name", name, why))
    if group:
        causes += dns_subdomain("spec.group", group)
    causes += [invalid("spec.version", version, why) for why in check_dns1035_label(version)]
    minimum, priority = spec.get("groupPriorityMinimum", 0), spec.get("versionPriority", 0)
    if not 0 < minimum <= 20000:
        causes.append(invalid("spec.groupPriorityMinimum", minimum, "must be positive and less than 20000"))
    if not 0 < priority <= 1000:
        causes.append(invalid("spec.versionPriority", priority, "must be positive and less than 1000"))
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            causes.append(invalid("spec.caBundle", "<set>", "local APIServices may not have a caBundle"))
        if spec.get("insecureSkipTLSVerify"):
            causes.append(
                invalid("spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify")
            )
        return causes
    causes += [required(f"spec.service.{field}") for field in ("namespace", "name") if not service.get(field)]
    causes += port_number("spec.service.port", service.get("port", 443))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        why = "may not be true if caBundle is present"
        causes.append(invalid("spec.insecureSkipTLSVerify", True, why))
    return causes


# Flow control -------------------------------------------------------------------------------------------------------



def _flow_schema(schema: Object) -> list[Cause]:
    spec = schema.get("spec") or {}
    precedence, method = spec.get("matchingPrecedence", 0), spec.get("distinguisherMethod")
    causes: list[Cause] = []
    if precedence <= 0:
        causes.append(invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
    if precedence > 10000:
        causes.append(invalid("spec.matchingPrecedence", precedence, "must not be greater than 10000"))
    if precedence == 1 and schema["metadata"].get("name") != "exempt":
        why = "only the schema named 'exempt' may have matchingPrecedence 1"
        causes.append(invalid("spec.matchingPrecedence", precedence, why))
    if method is not None:
        causes += choice("spec.distinguisherMethod.type", method.get("type"), ("ByNamespace", "ByUser"))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if level:
        causes += dns_subdomain("spec.priorityLevelConfiguration.name", level)
    else:
        causes.append(required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    for index, rule in enumerate(spec.get("rules") or ()):
        causes += _flow_rule(rule, f"spec.rules[{index}]")
    return causes


_RESOURCE_RULE_NEEDS = (
    ("verbs", "verbs must contain at least one value"),
    ("apiGroups", "resource rules must supply at least one api group"),
    ("resources", "resource rules must supply at least one resource"),
)


def _flow_rule(rule: Object, path: str) -> list[Cause]:
    subjects, resources, others = rule.get("subjects"), rule.get("resourceRules"), rule.get("nonResourceRules")
    causes: list[Cause] = []
    if not subjects:
        causes.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for index, subject in enumerate(subjects or ()):
        where, kind = f"{path}.subjects[{index}]", subject.get("kind", "")
        if kind not in ("Group", "ServiceAccount", "User"):
            causes.append(not_supported(f"{where}.kind", kind, ("Group", "ServiceAccount", "User")))
            continue
        field = kind[0].lower() + kind[1:]
        if subject.get(field) is None:
            causes.append(required(f"{where}.{field}", f"{field} is required when subject kind is '{kind}'"))
        elif not subject[field].get("name"):
            causes.append(required(f"{where}.{field}.name"))
    if not resources and not others:
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        causes.append(required(path, why))
    for index, entry in enumerate(resources or ()):
        where = f"{path}.resourceRules[{index}]"
        for field, what in _RESOURCE_RULE_NEEDS:
            if not entry.get(field):
                causes.append(required(f"{where}.{field}", what))
        if not entry.get("namespaces") and not entry.get("clusterScope"):
            why = "resource rules that are not cluster scoped must supply at least one namespace"
            causes.append(required(f"{where}.namespaces", why))
    for index, entry in enumerate(others or ()):
        where = f"{path}.nonResourceRules[{index}]"
        if not entry.get("verbs"):
            causes.append(required(f"{where}.verbs", "verbs must contain at least one value"))
        if not entry.get("nonResourceURLs"):
            why = "nonResourceURLs must contain at least one value"
            causes.append(required(f"{where}.nonResourceURLs", why))
    return causes


def _priority_level(level: Object) -> list[Cause]:
    spec, name = level.get("spec") or {}, level["metadata"].get("name", "")
    kind, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
    causes: list[Cause] = []
    if kind not in ("Exempt", "Limited"):
        return [not_supported("spec.type", kind, ("Exempt", "Limited"))]
    if (name == "exempt") != (kind == "Exempt"):
        why = "type must be 'Exempt' if and only if name is 'exempt'"
        causes.append(invalid("spec.type", kind, why))
    if kind == "Exempt":
        if limited is not None:
            causes.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        return causes
    if exempt is not None:
        causes.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
    if limited is None:
        return [*causes, required("spec.limited", "must not be empty when type is Limited")]
    shares, path = limited.get("nominalConcurrencyShares"), "spec.limited"
    if shares is not None and shares < 0:
        causes.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    lendable, borrowing = limited.get("lendablePercent"), limited.get("borrowingLimitPercent")
    if lendable is not None and not 0 <= lendable <= 100:
        causes.append(invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    if borrowing is not None and borrowing < 0:
        causes.append(
            invalid(f"{path}.borrowingLimitPercent", borrowing, "if specified, must be a non-negative integer")
        )
    return causes + _limit_response(limited.get("limitResponse") or {}, f"{path}.limitResponse")


def _limit_response(response: Object, path: str) -> list[Cause]:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        why = "must be nil if limited.limitResponse.type is not Limited"
        return [forbidden(f"{path}.queuing", why)] if queuing is not None else []
    if kind != "Queue":
        return [not_supported(f"{path}.type", kind, ("Queue", "Reject"))]
    if queuing is None:
        why = "must not be empty if limited.limitResponse.type is Limited"
        return [required(f"{path}.queuing", why)]
    queues, hand, length = (queuing.get(field, 0) for field in ("queues", "handSize", "queueLengthLimit"))
    causes: list[Cause] = []
    where = f"{path}.queuing"
    if length <= 0:
        causes.append(invalid(f"{where}.queueLengthLimit", length, "must be positive"))
    if queues <= 0:
        causes.append(invalid(f"{where}.queues", queues, "must be positive"))
    elif queues > 10_000_000:
        causes.append(invalid(f"{where}.queues", queues, "must not be greater than 10000000"))
    if hand <= 0:
        causes.append(invalid(f"{where}.handSize", hand, "must be positive"))
    elif hand > queues:
        why = f"should not be greater than queues ({queues})"
        causes.append(invalid(f"{where}.handSize", hand, why))
    return causes


_ADMISSION = "admissionregistration.k8s.io/v1"
_FLOW = "flowcontrol.apiserver.k8s.io/v1"

RULES = {
    f"{_ADMISSION} mutatingwebhookconfigurations": (_webhooks("mutating"), update_validator()),
    f"{_ADMISSION} validatingwebhookconfigurations": (_webhooks("validating"), update_validator()),
    f"{_ADMISSION} validatingadmissionpolicies": (validator(_policy, namespaced=False), update_validator()),
    f"{_ADMISSION} mutatingadmissionpolicies": (validator(_mutating_policy, namespaced=False), update_validator()),
    f"{_ADMISSION} validatingadmissionpolicybindings": (
        validator(_validating_binding, namespaced=False),
        update_validator(),
    ),
    f"{_ADMISSION} mutatingadmissionpolicybindings": (validator(_binding, namespaced=False), update_validator()),
    "apiregistration.k8s.io/v1 apiservices": (
        validator(_api_service, check_name=check_path_segment, namespaced=False),
        update_validator(),
    ),
    f"{_FLOW} flowschemas": (validator(_flow_schema, namespaced=False), update_validator()),
    f"{_FLOW} prioritylevelconfigurations": (validator(_priority_level, namespaced=False), update_validator()),
}
