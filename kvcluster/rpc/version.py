"""The etcd version whose behaviour is answered for. Clients switch features on by it, so it claims nothing that is not there:

3.5.13 and later promise progress requests on watches (kube-apiserver looks), 3.6 the fields of Status that are new there. 3.7
would promise answers that differ (no leases with keys_only); its RangeStream is served all the same.
"""

from __future__ import annotations

SERVER_VERSION = "3.6.6"
CLUSTER_VERSION = "3.6.0"
