"""The controllers that make a cluster move: clients of an API server, and nothing else of it.

manager                 which run, their informers and workers
deployment              rollouts                           (rollout, deployment_status)
replica_set             as many pods as asked for; ReplicationControllers too
                                                           (pod_control, expectations, ownership, pods)
stateful_set            pods with names that stay          (stateful_pods, revisions)
daemon_set              a pod on every node                (daemon_pods, revisions)
job                     pods until enough have succeeded   (job_plan, job_status, job_policies, job_indexes)
cron_job                Jobs by the clock
ttl_after_finished      Jobs that are over
disruption              how many pods may be evicted
namespace               empties what is being deleted
service_account         a default account in each namespace
token_secrets           tokens in Secrets that ask for one
root_ca                 a CA bundle in each namespace
endpoint_slice          addresses behind Services          (backends)
endpoints               the same in the older form
garbage_collector       owner references and propagation policies
node_lifecycle          nodes that fall silent, and the taints of nodes
taint_eviction          pods that may not stay on their node
pod_garbage_collector   pods of nodes that are gone
volume_protection       claims and volumes that are in use
certificates            requests that are approved, signed and cleared away
cluster_role_aggregation  ClusterRoles that gather others' rules
"""

from apiserver.controllers.context import Context, Controller
from apiserver.controllers.manager import CONTROLLERS, ControllerManager

__all__ = ["CONTROLLERS", "Context", "Controller", "ControllerManager"]
