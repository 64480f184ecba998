"""Every built-in resource, declared: one `Resource` value each, hooks only where a kind differs.

`catalog` is what a server without custom resources serves.
"""

from __future__ import annotations

from apiserver.kinds.builtin import BUILTIN, catalog
from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.cluster_scope import prepare_finalize
from apiserver.kinds.decoding import (
    WARN,
    Body,
    check_field_validation,
    check_said_type,
    decode_body,
    decode_body_of,
    decode_object,
    decode_options,
)
from apiserver.kinds.discovery import (
    AGGREGATED_MEDIA_TYPE,
    aggregated_discovery,
    api_group_list,
    api_versions,
    find_api_group,
    find_api_resource_list,
)
from apiserver.kinds.metadata import Validator
from apiserver.kinds.openapi import (
    OpenApiDocument,
    document_path,
    openapi_document,
    openapi_index,
    openapi_v2_document,
)
from apiserver.kinds.openapi_custom import published_name, published_schema
from apiserver.kinds.placement import (
    HARD_EFFECTS,
    named_nodes,
    node_matches,
    term_matches,
    tolerates,
    toleration_matches,
)
from apiserver.kinds.resource import METADATA_LABELS, Part, Resource, ScalePaths, Subresource
from apiserver.kinds.scaling import apply_scale, scale_of, validate_scale
from apiserver.kinds.schemas import find_type, types

__all__ = [
    "AGGREGATED_MEDIA_TYPE",
    "BUILTIN",
    "HARD_EFFECTS",
    "METADATA_LABELS",
    "WARN",
    "Body",
    "Catalog",
    "OpenApiDocument",
    "Part",
    "Resource",
    "ScalePaths",
    "Subresource",
    "Validator",
    "aggregated_discovery",
    "api_group_list",
    "api_versions",
    "apply_scale",
    "catalog",
    "check_field_validation",
    "check_said_type",
    "decode_body",
    "decode_body_of",
    "decode_object",
    "decode_options",
    "document_path",
    "find_api_group",
    "find_api_resource_list",
    "find_type",
    "named_nodes",
    "node_matches",
    "openapi_document",
    "openapi_index",
    "openapi_v2_document",
    "prepare_finalize",
    "published_name",
    "published_schema",
    "scale_of",
    "term_matches",
    "tolerates",
    "toleration_matches",
    "types",
    "validate_scale",
]
