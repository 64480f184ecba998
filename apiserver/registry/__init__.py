"""What create, update, patch and delete mean. registry.py has the order of the steps on one page.

registry      the verbs
metadata      the part of an object that is the server's
deletion      remove now, or mark and wait
subresources  binding, finalize
eviction      a delete that asks the disruption budget first
scaling       a workload as one number
options       DeleteOptions, checked
service_allocation, node_ports   what services reserve before they are stored
ownership     who wrote what: managedFields
applying      server-side apply
"""

from apiserver.registry.applying import apply_object, check_configuration
from apiserver.registry.deletion import delete_warnings, returns_deleted
from apiserver.registry.eviction import evict
from apiserver.registry.options import DeleteOptions, WriteOptions, parse_delete_options
from apiserver.registry.registry import Change, Registry, as_served
from apiserver.registry.scaling import apply_to_scale, write_scale
from apiserver.registry.service_allocation import ServiceRanges
from apiserver.registry.subresources import bind, created, finalize, success

__all__ = [
    "Change",
    "DeleteOptions",
    "Registry",
    "ServiceRanges",
    "WriteOptions",
    "apply_object",
    "apply_to_scale",
    "as_served",
    "bind",
    "check_configuration",
    "created",
    "delete_warnings",
    "evict",
    "finalize",
    "parse_delete_options",
    "returns_deleted",
    "success",
    "write_scale",
]
