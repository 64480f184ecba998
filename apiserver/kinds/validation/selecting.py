"""Selectors as objects: of labels, and of nodes."""

from __future__ import annotations

from apiserver.errors import Cause, StatusError
from apiserver.kinds.metadata import validate_labels
from apiserver.kinds.validation.values import Object, label_name, label_value
from apiserver.meta import (
    NOTHING,
    LabelSelector,
    check_dns1123_subdomain,
    forbidden,
    invalid,
    label_selector_of,
    required,
)

_NEED_VALUES = "must be specified when `operator` is 'In' or 'NotIn'"
_NO_VALUES = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
_NOT_AN_OPERATOR = "not a valid selector operator"


def label_selector(selector: Object | None, path: str) -> list[Cause]:
    """A meta/v1 LabelSelector; None is nothing wrong."""
    if not selector:
        return []
    causes = validate_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator", ""), expression.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                causes.append(required(f"{where}.values", _NEED_VALUES))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                causes.append(forbidden(f"{where}.values", _NO_VALUES))
        else:
            causes.append(invalid(f"{where}.operator", operator, _NOT_AN_OPERATOR))
        causes += label_name(f"{where}.key", expression.get("key", ""))
        for place, value in enumerate(values):
            causes += label_value(f"{where}.values[{place}]", value)
    return causes


def parse_selector(selector: Object, path: str) -> tuple[LabelSelector, list[Cause]]:
    """The parsed selector (nothing, if it is wrong) and what is wrong with it."""
    causes = label_selector(selector, path)
    try:
        return (label_selector_of(selector) if not causes else NOTHING), causes
    except StatusError as error:
        return NOTHING, [invalid(path, selector, error.message)]


def node_selector(selector: Object, path: str) -> list[Cause]:
    """Terms of which one must match."""
    where = f"{path}.nodeSelectorTerms"
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        return [required(where, "must have at least one node selector term")]
    return [cause for index, term in enumerate(terms) for cause in node_term(term, f"{where}[{index}]")]


def node_term(term: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        causes += _node_expression(expression, f"{path}.matchExpressions[{index}]")
    for index, field in enumerate(term.get("matchFields") or ()):
        causes += _node_field(field, f"{path}.matchFields[{index}]")
    return causes


def _node_expression(expression: Object, path: str) -> list[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    causes: list[Cause] = []
    if operator in ("In", "NotIn"):
        if not values:
            causes.append(required(f"{path}.values", _NEED_VALUES))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            causes.append(forbidden(f"{path}.values", _NO_VALUES))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            causes.append(required(f"{path}.values", why))
    else:
        causes.append(invalid(f"{path}.operator", operator, _NOT_AN_OPERATOR))
    causes += label_name(f"{path}.key", expression.get("key", ""))
    for place, value in enumerate(values):
        causes += label_value(f"{path}.values[{place}]", value)
    return causes


def _node_field(field: Object, path: str) -> list[Cause]:
    operator, values = field.get("operator", ""), field.get("values") or ()
    causes: list[Cause] = []
    if operator not in ("In", "NotIn"):
        causes.append(invalid(f"{path}.operator", operator, _NOT_AN_OPERATOR))
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.append(required(f"{path}.values", why))
    if field.get("key") != "metadata.name":
        causes.append(invalid(f"{path}.key", field.get("key", ""), "not a valid field selector key"))
        return causes
    for place, value in enumerate(values):
        causes += [invalid(f"{path}.values[{place}]", value, why) for why in check_dns1123_subdomain(value)]
    return causes
