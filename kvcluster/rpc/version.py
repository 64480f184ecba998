"""The etcd version whose behaviour is answered for. Clients switch features on by it, so it claims nothing that is not there:

3.5.13 and later promise progress requests on watches (kube-apiserver looks); 3.6 and 3.7 would promise more than there is.
"""

from __future__ import annotations

SERVER_VERSION = "3.5.21"
CLUSTER_VERSION = "3.5.0"
