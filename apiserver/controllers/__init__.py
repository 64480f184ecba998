"""The controllers that make a cluster move: clients of an API server, and nothing else of it.

manager                 which run, their informers and workers
replica_set             as many pods as asked for          (expectations, ownership, pods)
deployment              rollouts                           (rollout, deployment_status)
namespace               empties what is being deleted
service_account         a default account in each namespace
root_ca                 a CA bundle in each namespace
endpoint_slice          addresses behind Services          (backends)
endpoints               the same in the older form
garbage_collector       owner references and propagation policies
node_lifecycle          nodes that fall silent
pod_garbage_collector   pods of nodes that are gone
"""

from apiserver.controllers.context import Context, Controller
from apiserver.controllers.manager import CONTROLLERS, ControllerManager

__all__ = ["CONTROLLERS", "Context", "Controller", "ControllerManager"]
