"""authentication.k8s.io/v1: questions about who somebody is. They are answered, not stored."""

from __future__ import annotations

from apiserver.kinds.declaring import declare

SELF_SUBJECT_REVIEWS = declare("authentication.k8s.io/v1 selfsubjectreviews", is_virtual=True)

TOKEN_REVIEWS = declare("authentication.k8s.io/v1 tokenreviews", is_virtual=True)

RESOURCES = (SELF_SUBJECT_REVIEWS, TOKEN_REVIEWS)
