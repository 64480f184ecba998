"""What a server without custom resources serves: every resource of the groups that Kubernetes 1.36 serves by default."""

from __future__ import annotations

from apiserver.kinds.catalogs import Catalog
from apiserver.kinds.groups import RESOURCES

BUILTIN = RESOURCES

catalog = Catalog(BUILTIN)
