"""events.k8s.io/v1: the events of the core group, in newer words."""

from __future__ import annotations

from apiserver.kinds.resource import Resource

RESOURCES: tuple[Resource, ...] = ()
