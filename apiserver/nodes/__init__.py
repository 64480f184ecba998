"""Simulated nodes: a fleet that registers, beats and plays stages, as clients of an API server.

fleet          pods come to life and go, as the stages say
kubelets       the nodes themselves: registration, leases, Ready
stages         how a pod lives, as data; the default set is in stages/*.yaml
node_objects   what a node tells of itself
readiness      readiness gates, and whether a status is still true
container_logs what containers have said; served by kubelet_server
addresses      which addresses nodes and pods have
"""

from apiserver.nodes.fleet import Fleet
from apiserver.nodes.node_objects import NodeShape
from apiserver.nodes.stages import DEFAULT_STAGES, Stage, StageError, load_stages

__all__ = ["DEFAULT_STAGES", "Fleet", "NodeShape", "Stage", "StageError", "load_stages"]
