"""authorization.k8s.io/v1: questions about who may do what. They are answered, not stored."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

_GROUP = "authorization.k8s.io/v1"

LOCAL_SUBJECT_ACCESS_REVIEWS = declare(f"{_GROUP} localsubjectaccessreviews", is_virtual=True)

SELF_SUBJECT_ACCESS_REVIEWS = declare(f"{_GROUP} selfsubjectaccessreviews", is_virtual=True)

SELF_SUBJECT_RULES_REVIEWS = declare(f"{_GROUP} selfsubjectrulesreviews", is_virtual=True)

SUBJECT_ACCESS_REVIEWS = declare(f"{_GROUP} subjectaccessreviews", is_virtual=True)

RESOURCES = (
    LOCAL_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_RULES_REVIEWS,
    SUBJECT_ACCESS_REVIEWS,
)
