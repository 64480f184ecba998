"""CustomResourceDefinitions: kinds that users declare, by the same door as the built-in ones.

definitions, definition_rules, conditions    the definition itself
resources, whole_objects, columns            the resources that are served for it
expressions, cel_values, cel_library         its rules in CEL, with the optional extra
"""

from __future__ import annotations

from apiserver.kinds.custom.conditions import (
    DELETION_DONE,
    DELETION_GOES_ON,
    FINALIZER,
    Names,
    accept_names,
    find_condition,
    is_true,
    remove_condition,
    set_condition,
    structural_condition,
)
from apiserver.kinds.custom.definitions import approval_condition
from apiserver.kinds.custom.resources import as_terminating, declare_custom

__all__ = [
    "DELETION_DONE",
    "DELETION_GOES_ON",
    "FINALIZER",
    "Names",
    "accept_names",
    "approval_condition",
    "as_terminating",
    "declare_custom",
    "find_condition",
    "is_true",
    "remove_condition",
    "set_condition",
    "structural_condition",
]
