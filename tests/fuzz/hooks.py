"""What schemathesis is told of our API (SCHEMATHESIS_HOOKS): a watch lasts until its time is over, so its time is short."""

from __future__ import annotations

import schemathesis


@schemathesis.hook
def map_query(context, query):
    if query and "watch" in query:
        query["timeoutSeconds"] = "1"
    if query and "follow" in query:
        query["follow"] = "false"
    return query


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Mostly a namespace that is there, so that requests get past the first check."""
    if path_parameters and "namespace" in path_parameters and len(str(path_parameters["namespace"])) % 4:
        path_parameters["namespace"] = "default"
    return path_parameters
