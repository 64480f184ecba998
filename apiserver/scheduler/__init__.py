"""The scheduler: a framework of extension points, a profile of plugins, a queue and a loop.

Read framework.py (what a plugin is) first, then cycle.py (one decision), queue.py and cache.py (their states are drawn
there), scheduler.py (the loop). A client of the API server: it works against any.
"""

from __future__ import annotations

from apiserver.scheduler.cache import Cache
from apiserver.scheduler.config import ProfileConfig, SchedulerConfig, check_config, parse_config, with_plugins
from apiserver.scheduler.cycle import Decision, schedule
from apiserver.scheduler.framework import (
    MAX_NODE_SCORE,
    SKIP,
    SUCCESS,
    Code,
    Status,
    error,
    unresolvable,
    unschedulable,
)
from apiserver.scheduler.node_info import NodeInfo
from apiserver.scheduler.pod_info import PodInfo
from apiserver.scheduler.profile import PluginError, Profile, WeightedPlugin, load_plugin
from apiserver.scheduler.queue import SchedulingQueue
from apiserver.scheduler.scheduler import Scheduler

__all__ = [
    "MAX_NODE_SCORE",
    "SKIP",
    "SUCCESS",
    "Cache",
    "Code",
    "Decision",
    "NodeInfo",
    "PluginError",
    "PodInfo",
    "Profile",
    "ProfileConfig",
    "Scheduler",
    "SchedulerConfig",
    "SchedulingQueue",
    "Status",
    "WeightedPlugin",
    "check_config",
    "error",
    "load_plugin",
    "parse_config",
    "schedule",
    "unresolvable",
    "unschedulable",
    "with_plugins",
]
